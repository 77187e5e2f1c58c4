"""Augmentations of log-mel batches: pure functions of tensors and a generator.

Most work on power: sounds add as power, not as logarithms. So a batch is converted to power once and back once.
"""
