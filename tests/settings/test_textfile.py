"""Small text files, and anything else in their place."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from edge.errors import ConfigError, Forbidden
from edge.settings import textfile
from edge.settings.textfile import path_exists, read_text

LIMIT = 4096


def read_error(path: Path) -> str:
    """Return the error message for a file."""
    with pytest.raises((ConfigError, Forbidden)) as caught:
        read_text(path, max_bytes=LIMIT, key="api.token_file: ")
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"api.token_file: {path}: ")


def test_text_as_editors_write_it(tmp_path: Path) -> None:
    """Text is read with and without a byte order mark, of any script, and empty."""
    for text, data in (("ä\r\n", "ä\r\n".encode()), ("ä", "ä".encode("utf-8-sig")), ("", b"")):
        (tmp_path / "file").write_bytes(data)
        assert read_text(tmp_path / "file", max_bytes=LIMIT) == text


def test_wrong_files_have_their_own_messages(tmp_path: Path) -> None:
    """Every kind of wrong file has its own message."""
    (tmp_path / "wide").write_bytes("text".encode("utf-16"))
    (tmp_path / "large").write_bytes(bytes(LIMIT + 1))
    (tmp_path / "loop").symlink_to("loop")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        found = {
            "absent": "there is no such file",
            "wide/absent": "there is no such file",
            ".": "it cannot be read: Is a directory",
            "wide": "the file is not UTF-8 text",
            "large": "it cannot be read: it has more than 4 KiB",
            "loop": "it cannot be read: Too many levels of symbolic links",
            "socket": "it cannot be read: No such device or address",
            "x" * 300: "it cannot be read: File name too long",
        }
        assert {name: read_error(tmp_path / name) for name in found} == found
    assert read_error(Path("/dev/zero")) == "it cannot be read: it has more than 4 KiB"


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing permission raises `Forbidden`."""

    def refuse(*_: object, **__: object) -> int:
        raise PermissionError

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(Forbidden, match="permission denied"):
        read_text(tmp_path / "file", max_bytes=LIMIT)


def test_a_pipe_is_read_to_its_end_and_not_waited_for_without_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shell's pipe (process substitution) is read; a pipe without a writer must not block the start."""
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=lambda: (tmp_path / "pipe").write_bytes(b"secret"))
    writer.start()
    assert read_text(tmp_path / "pipe", max_bytes=LIMIT) == "secret"
    writer.join()
    monkeypatch.setattr(textfile, "_WAIT_S", 0.1)
    assert read_error(tmp_path / "pipe") == "it cannot be read: it sent nothing within 0.1 s"


def test_an_unreadable_path_counts_as_present(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file in an unreadable folder counts as present, so that reading reports the error."""
    assert not path_exists(tmp_path / "absent")
    assert path_exists(tmp_path / ("x" * 300))

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "stat", refuse)
    assert path_exists(tmp_path / "hidden")
