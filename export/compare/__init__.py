"""Comparison of the forms of one network: cost and accuracy."""
