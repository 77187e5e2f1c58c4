"""Uploads: written to the disk chunk by chunk, with a size limit."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.exceptions import HTTPException

from edge.api.query import query_names
from edge.errors import EmptyInput, StorageError, TooLarge
from edge.store import spare_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from io import FileIO

    from starlette.requests import Request

logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # errors of an upload are in its answer

MIB = 1024 * 1024
_MULTIPART_OVERHEAD = 64 * 1024
_FIELD = b"file"


class Uploads:
    """The files of waiting uploads, on a disk with space reserved for the history."""

    def __init__(self, folder: Path | None, min_free_mb: int) -> None:
        """Take the folder, or None for that of temporary files."""
        self._folder, self._min_free_mb = folder or Path(tempfile.gettempdir()), min_free_mb

    def open_unlinked_file(self) -> FileIO:
        """Open a file without a name, which vanishes with the process."""
        try:
            return tempfile.TemporaryFile(dir=self._folder, buffering=0)
        except OSError as exc:
            raise no_room(exc) from exc

    def check_space(self, size: int) -> None:
        """Raise `StorageError` where `size` more bytes would use the reserved space."""
        if spare_bytes(self._folder, self._min_free_mb) < size:
            msg = "the upload was not saved: the disk is almost full"
            raise StorageError(msg, remedy="free space on the node and try again")


async def receive_upload(
    request: Request, file: FileIO, *, max_bytes: int, reserve: Callable[[int], None] = lambda _: None
) -> None:
    """Write an upload to `file`: its multipart field `file`, or else its whole body.

    `reserve` is called with the size of each chunk before it is written, and raises StorageError without space.
    Raises EmptyInput and TooLarge; HTTPException for a request that cannot be read; StorageError when the disk is
    full; ClientDisconnect.
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    multipart = kind == b"multipart/form-data"
    _check_headers(request, max_bytes + (_MULTIPART_OVERHEAD if multipart else 0), max_bytes)
    write = _limit_writes(file, max_bytes, reserve)
    part = _FilePart(options.get(b"boundary", b""), write, query_names(request)) if multipart else None
    async for chunk in request.stream():
        (part.feed if part else write)(chunk)
    if part:
        part.finish()
    if file.tell() == 0:
        msg = "the upload is empty"
        raise EmptyInput(msg, remedy="send an audio file as the body or as the multipart field 'file'")


def _check_headers(request: Request, limit: int, max_bytes: int) -> None:
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise HTTPException(415, "Content-Encoding is not supported; send the audio file as it is.")
    if int(request.headers.get("content-length", "0")) > limit:
        raise _too_large(max_bytes)


def _too_large(max_bytes: int) -> TooLarge:
    remedy = "send a shorter or compressed clip, or raise api.max_upload_mb"
    return TooLarge(f"the upload is larger than {max_bytes // MIB} MiB", remedy=remedy)


def _limit_writes(file: FileIO, max_bytes: int, reserve: Callable[[int], None]) -> Callable[[bytes], None]:
    def write(data: bytes) -> None:
        if file.tell() + len(data) > max_bytes:
            raise _too_large(max_bytes)
        reserve(len(data))
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[file.write(rest) :]
        except OSError as exc:
            raise no_room(exc) from exc

    return write


def no_room(error: OSError) -> StorageError:
    """Return the error of an upload that cannot be written."""
    return StorageError(f"the upload was not saved: {error.strerror}", remedy="free space on the node and try again")


class _FilePart:
    """Parser of a multipart body that passes the field `file` on.

    Other fields are skipped; the name of a query parameter is refused.
    """

    def __init__(self, boundary: bytes, write: Callable[[bytes], None], query: Sequence[str] = ()) -> None:
        self._write, self._query = write, query
        self._header = self._value = b""
        self._inside = self._found = self._ended = False
        callbacks: dict[str, Any] = {
            "on_part_begin": self._begin_part,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._end_header,
            "on_part_data": self._data,
            "on_end": self._end,
        }
        if not boundary:
            raise HTTPException(400, "The multipart Content-Type names no boundary.")
        try:
            self._parser = MultipartParser(boundary, callbacks)  # type: ignore[arg-type]
        except FormParserError as exc:
            raise HTTPException(400, f"The multipart body cannot be read: {exc}.") from exc

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the body."""
        try:
            self._parser.write(chunk)
        except FormParserError as exc:
            raise HTTPException(400, f"The multipart body cannot be read: {exc}.") from exc

    def finish(self) -> None:
        """Check that the body is complete and has the field."""
        if not self._ended:
            raise HTTPException(400, "The multipart body ends before its closing boundary.")
        if not self._found:
            raise HTTPException(400, "The multipart body has no field called 'file'; put the audio file there.")

    def _begin_part(self) -> None:
        self._header = self._value = b""
        self._inside = False

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        if self._header.lower() == b"content-disposition":
            _, options = parse_options_header(self._value)
            self._begin_field(options.get(b"name", b""))
        self._header = self._value = b""

    def _begin_field(self, name: bytes) -> None:
        if name == _FIELD:
            if self._found:
                raise HTTPException(422, "The multipart body has several fields called 'file'; send one at a time.")
            self._inside = self._found = True
        elif (text := name.decode("latin-1")) in self._query:
            raise HTTPException(422, f"'{text}' is no field of the body; put it into the query, as ?{text}=.")

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._inside:
            self._write(data[start:end])

    def _end(self) -> None:
        self._ended = True
