"""Conditioning of the chunks of every source: valid samples, one channel."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from edge.frontend.downmix import Downmix
from edge.frontend.samples import silence_invalid

if TYPE_CHECKING:
    from edge.audio.sources.source import Chunk

log = logging.getLogger("tocsin.audio")


class Conditioner:
    """Converter of one source's chunks to valid mono samples.

    Invalid samples are counted. Each problem is logged once.
    """

    def __init__(self, name: str) -> None:
        """Take the source's name, for the log."""
        self._name = name
        self._downmix = Downmix()
        self._said: set[str] = set()
        self.remark = ""
        """A note on the sound, in one line; empty if there is no problem."""
        self.bad_samples = 0
        """Number of invalid samples (`edge.frontend.samples`) that were replaced by silence."""

    def restart(self) -> None:
        """Reset the downmix, after the source was opened again."""
        self._downmix, self.remark = Downmix(), ""

    def process(self, chunk: Chunk) -> Chunk:
        """Return the chunk with valid mono samples."""
        samples, bad = silence_invalid(chunk.samples)
        if bad:
            self.bad_samples += bad
            self._warn_once("samples far beyond full scale, or NaN, are replaced by silence and counted")
        mono = self._downmix.push(samples)
        self.remark = chunk.remark or self._downmix.remark
        if self.remark:
            self._warn_once(self.remark)
        return chunk if mono is chunk.samples else replace(chunk, samples=mono)

    def _warn_once(self, what: str) -> None:
        if what not in self._said:
            self._said.add(what)
            log.warning("source %s: %s", self._name, what)
