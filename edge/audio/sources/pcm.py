"""Source of 16-bit samples on standard input.

An example is the pipe ``arecord -t raw -f S16_LE -r 16000 | tocsin run …``.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import numpy as np

from edge.audio.sources.ready import wait_readable
from edge.audio.sources.s16 import floats_from_s16
from edge.audio.sources.source import Chunk
from edge.errors import SourceUnavailable

if TYPE_CHECKING:
    from edge.settings.source_spec import PcmSpec

_READ_BYTES = 1 << 16


class PcmSource:
    """Source that reads a descriptor to its end.

    The pipe blocks a writer that is too fast, so nothing is dropped.
    """

    live = False
    clocked = True
    stall_s = 3.0

    def __init__(self, spec: PcmSpec, descriptor: int | None = None) -> None:
        """Take the format; `descriptor` is standard input by default."""
        self.rate_hz, self.device = spec.rate_hz, "standard input"
        self._channels, self._descriptor = spec.channels, descriptor
        self._rest = b""

    def open(self) -> None:
        """Check the input; raises `SourceUnavailable` if it is closed."""
        self._rest = b""
        try:
            self._descriptor = sys.stdin.fileno() if self._descriptor is None else self._descriptor
            os.fstat(self._descriptor)
        except (OSError, ValueError, AttributeError) as exc:
            msg = "standard input is closed"
            raise SourceUnavailable(msg, remedy="pipe 16-bit samples into it") from exc

    def read(self) -> Chunk | None:
        """Return the new samples; None after the writer closed the pipe."""
        if self._descriptor is None:
            return None
        if not wait_readable(self._descriptor):
            return Chunk(np.empty(0, np.float32))
        data = os.read(self._descriptor, _READ_BYTES)
        if not data:
            return None
        data = self._rest + data
        whole = len(data) - len(data) % (2 * self._channels)
        self._rest = data[whole:]
        return Chunk(floats_from_s16(data[:whole], self._channels))

    def close(self) -> None:
        """Do nothing: standard input stays open."""
