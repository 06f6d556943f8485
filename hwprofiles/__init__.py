"""What is this machine, and what is one trustworthy timing?"""
