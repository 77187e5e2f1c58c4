"""Recordings: manifest, parts, cached features, teachers and varied copies."""
