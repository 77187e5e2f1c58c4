"""Recordings that ship with Tocsin."""

from __future__ import annotations

from pathlib import Path


def street_path() -> Path:
    """Return the path of the street scene that `tocsin demo` plays.

    ``ATTRIBUTION.md`` in the same folder credits the recordings in it.
    """
    return Path(__file__).with_name("street.flac")
