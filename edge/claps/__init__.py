"""Claps that switch things: onsets, their confirmation, and the patterns they make. Pure: time is a sample index."""
