"""Containers made of chunks: where their samples lie, and how many bytes of them the header promises.

libsndfile shortens a file that holds less than that without a word, and believes a header that was never finished.
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
    """How a container is built."""

    first: int
    """Where its first chunk begins."""
    head: struct.Struct
    """A chunk's name and length."""
    samples: bytes
    """How the name of the chunk with the samples begins."""
    lead: int = 0
    """Bytes in that chunk before the first sample, counted in its length."""
    align: int = 2
    counts_head: bool = False
    """Whether a chunk's length counts its head, too."""


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
_DS64_LENGTH = 16  # from the beginning of the chunk: a length of 64 bits
_ELSEWHERE = 0xFFFF_FFFF  # a 32-bit length that stands in `ds64`, or is not known
_NEAR_MIDDLE, _NEAR_LARGEST = (0x7F00_0000, 0x8001_0000), 0xFFFF_0000  # sox: 0x7F000000, arecord: 0x7FFFFF00
_SHORT_BYTES, _LONG_BITS, _NEVER = 4, 64, 1 << 62


@dataclass
class Body:
    """The samples of a recording: where they lie, and how many bytes of them the header promises."""

    begin: int
    end: int
    promised: int
    """What is there, where the header does not say."""
    patches: dict[int, bytes]
    """What the header should say of the length, and where."""
    tail: bool = False
    """Whether libsndfile needs what lies behind the samples."""
    codec: int | None = None
    """The number of the codec, in the kin of WAV."""

    @property
    def there(self) -> int:
        """Bytes of samples that are there."""
        return self.end - self.begin


def is_container(head: bytes) -> bool:
    """Return whether a file that begins with these bytes is a container of a kind that is known here."""
    return head[:4] in _AU or _kind_of(head) is not None


def body_of(file: BinaryIO, size: int) -> Body | None:
    """Return where the samples are in a container of `size` bytes; None where they are not found."""
    file.seek(0)
    head = file.read(HEAD_BYTES)
    if head[:4] in _AU:
        return _au_body(head, size, _AU[head[:4]])
    kind = _kind_of(head)
    return None if kind is None else _chunked_body(file, size, kind)


def _kind_of(head: bytes) -> _Kind | None:
    return _KINDS.get((head[:4], head[8:12])) or _KINDS.get((head[:4], b""))


def _au_body(head: bytes, size: int, number: struct.Struct) -> Body | None:
    if len(head) < number.size:
        return None
    _, start, promised = number.unpack(head)
    there = max(0, size - start)
    if _unknown(promised, there, 8 * _SHORT_BYTES) or not promised:
        promised = there
    there = min(there, promised)
    patch = number.pack(0, 0, min(there, _ELSEWHERE))[_AU_FIELD:]
    return Body(start, start + there, promised, {_AU_FIELD: patch})


def _chunked_body(file: BinaryIO, size: int, kind: _Kind) -> Body | None:
    places: dict[bytes, int] = {}
    for name, at, length in _chunks(file, kind.first, size, kind):
        if not name.startswith(kind.samples):
            places[name] = at
            continue
        begin = at + kind.head.size + kind.lead
        there, unit = max(0, size - begin), 8 * (kind.head.size - len(name))
        promised = max(0, length - kind.lead)
        if b"ds64" in places and length == _ELSEWHERE:
            file.seek(places[b"ds64"] + _DS64_LENGTH)
            promised = int.from_bytes(file.read(8), "little")
            unit = 64
        if _unknown(promised, there, unit) or _unfinished(file, begin, promised, size, kind):
            promised = there
        there = min(there, promised)
        tail = kind.samples == b"SSND" and b"COMM" not in places
        return Body(begin, begin + there, promised, _patches(at, places, kind, there), tail, _codec(file, places, kind))
    return None


def _codec(file: BinaryIO, places: dict[bytes, int], kind: _Kind) -> int | None:
    at = next((place for name, place in places.items() if name.startswith(b"fmt ")), None)
    if at is None:
        return None
    file.seek(at + kind.head.size)
    return int.from_bytes(file.read(2), "big" if kind.head.format.startswith(">") else "little")


def _chunks(file: BinaryIO, position: int, size: int, kind: _Kind) -> Iterator[tuple[bytes, int, int]]:
    """Yield the name, place and length of each chunk."""
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


def _unknown(promised: int, there: int, bits: int) -> bool:
    """Return whether a length that is more than there is means "not known": written into a pipe.

    Programs then write the largest number there is, with or without its sign, or somewhat less, to leave room for
    the header or to stop at a round number. A true length of 32 bits near the middle is taken for such a one.
    """
    if promised <= there:
        return False
    if bits == _LONG_BITS:
        return promised >= _NEVER
    return promised >= _NEAR_LARGEST or _NEAR_MIDDLE[0] <= promised <= _NEAR_MIDDLE[1]


def _unfinished(file: BinaryIO, begin: int, promised: int, size: int, kind: _Kind) -> bool:
    """Return whether the program that wrote the header never came back to it, and what lies behind is sound as well.

    It then promises nothing, or only the first block; what lies behind is longer than that, and is no chunk.
    """
    behind = size - begin - promised
    if behind <= 0 or behind < promised:
        return False
    end = begin + promised
    reached = end = end + -end % kind.align
    file.seek(end)
    if file.read(4) in _MAGICS:  # a file behind the file
        return False
    for name, at, length in _chunks(file, end, size, kind):
        if any(byte not in _PRINTABLE for byte in name[:4]):
            return True
        reached = at + kind.head.size + length
    return not end < reached <= size + kind.align


def _patches(at: int, places: dict[bytes, int], kind: _Kind, there: int) -> dict[int, bytes]:
    """Return what the header should say of the `there` bytes of sound in the chunk at `at`."""
    name_size = len(kind.head.unpack(bytes(kind.head.size))[0])
    patches = {}
    length = there + kind.lead + (kind.head.size if kind.counts_head else 0)
    if b"ds64" in places:
        patches[places[b"ds64"] + _DS64_LENGTH] = there.to_bytes(8, "little")
        length = _ELSEWHERE
    most = _ELSEWHERE if kind.head.size - name_size == _SHORT_BYTES else length
    patches[at + name_size] = kind.head.pack(b"", min(length, most))[name_size:]
    return patches
