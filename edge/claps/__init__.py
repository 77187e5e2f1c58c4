"""Clap patterns: onsets, their confirmation, matching and guards.

Pure: time is a sample index.
"""
