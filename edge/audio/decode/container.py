"""Containers made of chunks: position of the samples, and their length in the header.

libsndfile reads a truncated file without an error, and trusts a header that was not completed.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD_BYTES = 12
_MAX_CHUNKS = 64
_PRINTABLE = range(0x20, 0x7F)


@dataclass(frozen=True)
class _Kind:
    """Structure of a kind of container."""

    first: int
    """Position of the first chunk."""
    head: struct.Struct
    """Name and length of a chunk."""
    samples: bytes
    """Prefix of the name of the chunk with the samples."""
    lead: int = 0
    """Bytes in that chunk before the first sample, included in its length."""
    align: int = 2
    counts_head: bool = False
    """Whether the length of a chunk includes its head."""


_RIFF = _Kind(12, struct.Struct("<4sI"), b"data")
_KINDS = {
    (b"RIFF", b"WAVE"): _RIFF,
    (b"RF64", b"WAVE"): _RIFF,
    (b"RIFX", b"WAVE"): _Kind(12, struct.Struct(">4sI"), b"data"),
    (b"FORM", b"AIFF"): _Kind(12, struct.Struct(">4sI"), b"SSND", lead=8),
    (b"FORM", b"AIFC"): _Kind(12, struct.Struct(">4sI"), b"SSND", lead=8),
    (b"riff", b""): _Kind(40, struct.Struct("<16sQ"), b"data", align=8, counts_head=True),
    (b"caff", b""): _Kind(8, struct.Struct(">4sQ"), b"data", lead=4, align=1),
}
_MAGICS = {magic for magic, _ in _KINDS}
_AU = {b".snd": struct.Struct(">3I"), b"dns.": struct.Struct("<3I")}
_AU_FIELD = 8
_DS64_LENGTH = 16  # offset of the 64-bit length in the chunk
_ELSEWHERE = 0xFFFF_FFFF  # 32-bit length if the real one is in `ds64` or unknown
_NEAR_MIDDLE, _NEAR_LARGEST = (0x7F00_0000, 0x8001_0000), 0xFFFF_0000  # sox: 0x7F000000, arecord: 0x7FFFFF00
_SHORT_BYTES, _LONG_BITS, _NEVER = 4, 64, 1 << 62


@dataclass
class Body:
    """Samples of a recording: position, and number of bytes according to the header."""

    begin: int
    end: int
    promised: int
    """Bytes of samples according to the header; those present if it has no length."""
    patches: dict[int, bytes]
    """Corrected length fields of the header, by position."""
    tail: bool = False
    """Whether libsndfile needs the bytes after the samples."""
    codec: int | None = None
    """Number of the codec, in WAV and related containers."""

    @property
    def present(self) -> int:
        """Bytes of samples in the file."""
        return self.end - self.begin


def is_container(head: bytes) -> bool:
    """Return whether a file that begins with `head` is a known container."""
    return head[:4] in _AU or _find_kind(head) is not None


def find_body(file: BinaryIO, size: int) -> Body | None:
    """Find the samples in a container of `size` bytes; return None without them."""
    file.seek(0)
    head = file.read(HEAD_BYTES)
    if head[:4] in _AU:
        return _find_au_body(head, size, _AU[head[:4]])
    kind = _find_kind(head)
    return None if kind is None else _find_chunked_body(file, size, kind)


def _find_kind(head: bytes) -> _Kind | None:
    return _KINDS.get((head[:4], head[8:12])) or _KINDS.get((head[:4], b""))


def _find_au_body(head: bytes, size: int, number: struct.Struct) -> Body | None:
    if len(head) < number.size:
        return None
    _, start, promised = number.unpack(head)
    present = max(0, size - start)
    if _is_unknown(promised, present, 8 * _SHORT_BYTES) or not promised:
        promised = present
    present = min(present, promised)
    patch = number.pack(0, 0, min(present, _ELSEWHERE))[_AU_FIELD:]
    return Body(start, start + present, promised, {_AU_FIELD: patch})


def _find_chunked_body(file: BinaryIO, size: int, kind: _Kind) -> Body | None:
    places: dict[bytes, int] = {}
    for name, at, length in _iterate_chunks(file, kind.first, size, kind):
        if not name.startswith(kind.samples):
            places[name] = at
            continue
        begin = at + kind.head.size + kind.lead
        present, unit = max(0, size - begin), 8 * (kind.head.size - len(name))
        promised = max(0, length - kind.lead)
        if b"ds64" in places and length == _ELSEWHERE:
            file.seek(places[b"ds64"] + _DS64_LENGTH)
            promised = int.from_bytes(file.read(8), "little")
            unit = 64
        if _is_unknown(promised, present, unit) or _is_unfinished(file, begin, promised, size, kind):
            promised = present
        present = min(present, promised)
        tail = kind.samples == b"SSND" and b"COMM" not in places
        return Body(
            begin,
            begin + present,
            promised,
            _make_patches(at, places, kind, present),
            tail,
            _read_codec(file, places, kind),
        )
    return None


def _read_codec(file: BinaryIO, places: dict[bytes, int], kind: _Kind) -> int | None:
    at = next((place for name, place in places.items() if name.startswith(b"fmt ")), None)
    if at is None:
        return None
    file.seek(at + kind.head.size)
    return int.from_bytes(file.read(2), "big" if kind.head.format.startswith(">") else "little")


def _iterate_chunks(file: BinaryIO, position: int, size: int, kind: _Kind) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, position and length of each chunk."""
    for _ in range(_MAX_CHUNKS):
        file.seek(position)
        data = file.read(kind.head.size)
        if len(data) < kind.head.size:
            return
        name, length = kind.head.unpack(data)
        if kind.counts_head:
            length = max(0, length - kind.head.size)
        yield name, position, length
        position += kind.head.size + length
        position += -position % kind.align
        if position > size:
            return


def _is_unknown(promised: int, present: int, bits: int) -> bool:
    """Return whether a length means "unknown", as in a file written to a pipe.

    Programs then write the largest signed or unsigned number, or somewhat less, to leave room for the header or to use
    a round number. A true 32-bit length near the middle of the range is mistaken for one of these.
    """
    if promised <= present:
        return False
    if bits == _LONG_BITS:
        return promised >= _NEVER
    return promised >= _NEAR_LARGEST or _NEAR_MIDDLE[0] <= promised <= _NEAR_MIDDLE[1]


def _is_unfinished(file: BinaryIO, begin: int, promised: int, size: int, kind: _Kind) -> bool:
    """Return whether the header was not completed, so that the sound continues after its end.

    Such a header has a length of zero, or of the first block only; more bytes than that follow, and are not a chunk.
    """
    behind = size - begin - promised
    if behind <= 0 or behind < promised:
        return False
    end = begin + promised
    reached = end = end + -end % kind.align
    file.seek(end)
    if file.read(4) in _MAGICS:  # another file follows
        return False
    for name, at, length in _iterate_chunks(file, end, size, kind):
        if any(byte not in _PRINTABLE for byte in name[:4]):
            return True
        reached = at + kind.head.size + length
    return not end < reached <= size + kind.align


def _make_patches(at: int, places: dict[bytes, int], kind: _Kind, present: int) -> dict[int, bytes]:
    """Return the corrected length fields for `present` bytes of samples in the chunk at `at`."""
    name_size = len(kind.head.unpack(bytes(kind.head.size))[0])
    patches = {}
    length = present + kind.lead + (kind.head.size if kind.counts_head else 0)
    if b"ds64" in places:
        patches[places[b"ds64"] + _DS64_LENGTH] = present.to_bytes(8, "little")
        length = _ELSEWHERE
    most = _ELSEWHERE if kind.head.size - name_size == _SHORT_BYTES else length
    patches[at + name_size] = kind.head.pack(b"", min(length, most))[name_size:]
    return patches
