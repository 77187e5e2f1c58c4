"""Events from scores: rules, smoothing, state machine and levels.

Pure: time is a sample index.
"""
