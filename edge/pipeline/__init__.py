"""The pure pipeline from samples to events, and its drivers for one file."""
