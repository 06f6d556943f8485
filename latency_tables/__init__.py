"""What do many timings say about any candidate network?"""
