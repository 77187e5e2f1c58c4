"""Recordings: the manifest, its division into parts, the cached features, teachers and changed copies."""
