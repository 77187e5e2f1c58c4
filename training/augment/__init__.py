"""Augmentations of log-mel batches: pure functions of tensors and a generator, most of them on power.

Sounds add as power, not as logarithms; so a batch is brought to power, worked on, and brought back once.
"""
