"""Errors of invalid configurations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edge.errors import ConfigError
from edge.settings.load import load_settings

if TYPE_CHECKING:
    from pathlib import Path


def assert_error_names_line(file: Path, text: str, line: int, words: str) -> None:
    """Load `text` from `file`; expect a one-line error with file, line and `words`."""
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_settings(file, environ={})
    message = str(caught.value)
    assert message.startswith(f"{file}:{line}: ")
    assert words in message
    assert "\n" not in message
