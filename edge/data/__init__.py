"""Recordings that come with the product."""

from __future__ import annotations

from pathlib import Path


def street_path() -> Path:
    """Return the street scene that `tocsin demo` plays; ``ATTRIBUTION.md`` beside it says whose recordings it mixes."""
    return Path(__file__).with_name("street.flac")
