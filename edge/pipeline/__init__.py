"""The pure line from samples to events, and its two drivers."""
