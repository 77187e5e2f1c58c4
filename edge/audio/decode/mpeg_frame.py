"""Header of an MPEG audio frame: four bytes with the frame's size and format."""

from __future__ import annotations

import functools
from dataclasses import dataclass

HEADER_BYTES, KEY_BYTES = 4, 3
ID3_BYTES = 10
_SYNC = b"\xff\xe0"
_MONO = 0xC0  # a fourth byte from this value on means one channel
_MPEG_1, _MPEG_2, _MPEG_25, _RESERVED = 3, 2, 0, 1
_LAYER_I, _LAYER_III, _NO_LAYER = 1, 3, 4
_NO_RATE, _KBPS_INDICES = 3, range(1, 15)
_LSF_KBPS = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_KBPS = {
    (True, 1): tuple(range(32, 449, 32)),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): _LSF_KBPS,
    (False, 3): _LSF_KBPS,
}
_RATES_HZ = {_MPEG_1: (44_100, 48_000, 32_000), _MPEG_2: (22_050, 24_000, 16_000), _MPEG_25: (11_025, 12_000, 8_000)}
_INFO_BYTES = 160  # the longest Xing header, with the encoder's tag
_VBRI_AT, _VBRI_FRAMES_AT = 36, 50
_SEVEN_BITS = 0x80
_FOOTER = 0x10


@dataclass(frozen=True)
class Family:
    """Common properties of frames that can be decoded in one run."""

    version: int
    layer: int
    rate_index: int
    mono: bool
    kbps_index: int
    """Index of the bit rate for layers I and II, from which libmpg123 estimates the number of frames.

    0 for layer III, whose bit rate may change.
    """

    @property
    def mp3(self) -> bool:
        """Whether it is layer III, the only one with a frame-count header."""
        return self.layer == _LAYER_III

    @property
    def rate_hz(self) -> int:
        """Samples per second."""
        return _RATES_HZ[self.version][self.rate_index]

    @property
    def samples(self) -> int:
        """Samples in a frame."""
        if self.layer == _LAYER_I:
            return 384
        return 576 if self.mp3 and self.version != _MPEG_1 else 1152

    @property
    def info_at(self) -> int:
        """Offset of a Xing header in the first frame."""
        if self.version == _MPEG_1:
            return HEADER_BYTES + (17 if self.mono else 32)
        return HEADER_BYTES + (9 if self.mono else 17)

    def make_key(self, kbps_index: int, padding: int = 0, protection: int = 1) -> bytes:
        """Make the first three bytes of a frame."""
        second = _SYNC[1] | self.version << 3 | (4 - self.layer) << 1 | protection
        return bytes([_SYNC[0], second, kbps_index << 4 | self.rate_index << 2 | padding << 1])

    def compute_size(self, kbps_index: int, padding: int = 0) -> int:
        """Return the number of bytes of a frame."""
        bits = 1000 * _KBPS[self.version == _MPEG_1, self.layer][kbps_index - 1]
        if self.layer == _LAYER_I:
            return (12 * bits // self.rate_hz + padding) * 4
        return self.samples // 8 * bits // self.rate_hz + padding

    def make_info_frame(self, frames: int) -> bytes:
        """Make a frame without sound, whose Xing header has the number of frames only."""
        index = next(index for index in _KBPS_INDICES if self.compute_size(index) >= self.info_at + _INFO_BYTES)
        head = self.make_key(index) + bytes([_MONO if self.mono else 0])
        tag = b"Info" + (1).to_bytes(4, "big") + frames.to_bytes(4, "big")
        return (head.ljust(self.info_at, b"\0") + tag).ljust(self.compute_size(index), b"\0")

    def read_promise(self, frame: bytes) -> tuple[bytes, int | None]:
        """Return the kind of header in a first frame, and its number of frames.

        The kind is b"" for a frame of sound; the number is None if the header has none.
        """
        magic = frame[self.info_at : self.info_at + 4]
        if self.mp3 and magic in (b"Xing", b"Info"):
            flags, count = frame[self.info_at + 4 : self.info_at + 8], frame[self.info_at + 8 : self.info_at + 12]
            return magic, int.from_bytes(count, "big") if flags[-1:] and flags[-1] & 1 else None
        if self.mp3 and frame[_VBRI_AT:].startswith(b"VBRI"):
            return b"VBRI", int.from_bytes(frame[_VBRI_FRAMES_AT : _VBRI_FRAMES_AT + 4], "big")
        return b"", None


def parse_family(head: bytes) -> Family | None:
    """Parse the first four bytes of a frame; return None if they are not valid."""
    if len(head) < HEADER_BYTES or head[0] != _SYNC[0] or head[1] < _SYNC[1]:
        return None
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    rate_index, kbps_index = head[2] >> 2 & 3, head[2] >> 4
    if version == _RESERVED or layer == _NO_LAYER or rate_index == _NO_RATE or kbps_index not in _KBPS_INDICES:
        return None
    return Family(version, layer, rate_index, is_mono(head[3]), 0 if layer == _LAYER_III else kbps_index)


def is_mono(fourth: int) -> bool:
    """Return whether the fourth byte of a frame means one channel."""
    return fourth >= _MONO


@functools.lru_cache(64)
def list_frame_sizes(family: Family) -> dict[bytes, int]:
    """Return the sizes in bytes of a family's frames, by their first three bytes."""
    found = {}
    for kbps_index in [family.kbps_index] if family.kbps_index else _KBPS_INDICES:
        for padding in (0, 1):
            for protection in (0, 1):
                key = family.make_key(kbps_index, padding, protection)
                found[key] = found[key[:2] + bytes([key[2] | 1])] = family.compute_size(kbps_index, padding)
    return found


def measure_id3(head: bytes) -> int:
    """Return the length of the ID3v2 tag with these ten bytes, 0 without one."""
    if len(head) < ID3_BYTES or not head.startswith(b"ID3") or max(head[6:ID3_BYTES]) >= _SEVEN_BITS:
        return 0
    length = functools.reduce(lambda number, byte: number << 7 | byte, head[6:ID3_BYTES], 0)
    return ID3_BYTES + length + (ID3_BYTES if head[5] & _FOOTER else 0)
