"""Answers that were recorded from stored timings and scores: what moves code must not move them."""
