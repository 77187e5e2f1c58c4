"""Away mode: reports of every sound above the background.

Pure: time is an argument.
"""
