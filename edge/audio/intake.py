"""What the chunks of every source go through first: nothing but sound, in one channel."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from edge.frontend.downmix import Downmix
from edge.frontend.samples import silenced

if TYPE_CHECKING:
    from edge.audio.sources.source import Chunk

_LOG = logging.getLogger("tocsin.audio")


class Intake:
    """Takes what one source delivers, whatever it is: what is wrong is counted, and said once."""

    def __init__(self, name: str) -> None:
        """Take the source's name, for the log."""
        self._name = name
        self._downmix = Downmix()
        self._said: set[str] = set()
        self.remark = ""
        """What is to be known about the sound, in one line; empty when all is well."""
        self.bad_samples = 0
        """Samples that were no sound (`edge.frontend.samples`), and were replaced by silence."""

    def restart(self) -> None:
        """Judge the channels anew: the source was opened again."""
        self._downmix, self.remark = Downmix(), ""

    def take(self, chunk: Chunk) -> Chunk:
        """Return a chunk as mono samples that can be sound."""
        samples, bad = silenced(chunk.samples)
        if bad:
            self.bad_samples += bad
            self._say("samples far beyond full scale, or no numbers, are replaced by silence and counted")
        mono = self._downmix.push(samples)
        self.remark = chunk.remark or self._downmix.remark
        if self.remark:
            self._say(self.remark)
        return chunk if mono is chunk.samples else replace(chunk, samples=mono)

    def _say(self, what: str) -> None:
        if what not in self._said:
            self._said.add(what)
            _LOG.warning("source %s: %s", self._name, what)
