"""Decoders of recordings."""
