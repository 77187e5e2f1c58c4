"""Commands of `python -m export`."""
