"""Tocsin on the device: microphone in, sound events out."""

__version__ = "0.1.0"
