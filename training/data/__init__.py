"""Recordings: the manifest, its division into parts, the cached features and the crops a batch is made of."""
