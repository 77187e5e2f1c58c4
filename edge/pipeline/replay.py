"""A recording through the very pipeline of the live service, as CloudEvents."""

from __future__ import annotations

import itertools
import logging
import math
import time
import uuid
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from edge.audio.decode.recording import open_recording
from edge.detection.rules import rules_for
from edge.pipeline.build import build_pipeline
from edge.publish.payload import EventContext, Stamp, cloud_event, pattern_event
from edge.types import AudioBlock, Event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from edge.inference.onnx import OnnxClassifier
    from edge.settings.tree import Settings
    from edge.types import Pattern

log = logging.getLogger("tocsin.replay")

_FAST_BLOCK_S = 4.0  # sound analysed at once where nobody waits for it
_PACED_BLOCK_S = 0.125


def replay(
    path: Path,
    classifier: OnnxClassifier,
    settings: Settings,
    *,
    node: str,
    speed: float | None = None,
    source_name: str = "replay",
    clap_network: OnnxClassifier | None = None,
    on_progress: Callable[[float, float | None], None] | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield the CloudEvents of a recording, with ``data.onset_s`` and ``data.end_s`` from its start.

    Clap patterns are found where `clap_network` is given, and sounds as in the away mode where that is enabled.
    `speed` is in multiples of real time, None for as fast as it goes; the events are the same at every speed.
    `on_progress` is told the seconds done and, where it is known, the recording's length. Raises what
    `edge.audio.decode.recording` raises.
    """
    pipeline = build_pipeline(classifier.bundle, settings, source=source_name, clap_network=clap_network)
    rate = pipeline.params.sample_rate_hz
    began_s = time.monotonic()
    with open_recording(path) as clip:
        # Faster than real time, the recording is dated so that it ends now: nothing sounds in the future.
        ahead_s = (clip.duration_s or 0.0) * (1.0 - (0.0 if speed is None else min(1.0, 1.0 / speed)))
        messages = _Messages(classifier, settings, node, source_name, time.time() - ahead_s)
        start = 0
        paced_s = _FAST_BLOCK_S if speed is None else min(_FAST_BLOCK_S, _PACED_BLOCK_S * max(1.0, speed))
        for samples in clip.blocks(rate, paced_s):
            events = pipeline.push(AudioBlock(samples, start), classifier)
            start += samples.size
            if on_progress is not None:
                on_progress(start / rate, clip.duration_s)
            if speed is not None:
                time.sleep(max(0.0, began_s + start / rate / speed - time.monotonic()))
            yield from messages.of(events, pipeline.take_patterns(), pipeline.decided_until)
        if clip.remark:
            log.warning("%s: %s", path, clip.remark)
    events = pipeline.finish(classifier)
    yield from messages.of(events, pipeline.take_patterns())


class _Messages:
    """Makes CloudEvents of what was heard in one recording, which began at `epoch` (Unix seconds)."""

    def __init__(
        self, classifier: OnnxClassifier, settings: Settings, node: str, source_name: str, epoch: float
    ) -> None:
        bundle = classifier.bundle
        self._rate, self._epoch = bundle.params.sample_rate_hz, epoch
        rules = rules_for(bundle.labels, bundle.thresholds, settings.detection)
        self._severity = {rule.label: rule.severity for rule in rules}
        self._numbers = itertools.count(1)
        self._held: list[Event | Pattern] = []
        self._context = EventContext(
            node=node,
            source_name=source_name,
            location=settings.node.location,
            model=classifier.info,
            calibrated=settings.level.calibration_offset_db is not None,
            clock_synced=False,
            severity="info",
        )

    def of(
        self, events: Sequence[Event], patterns: Sequence[Pattern], until: float = math.inf
    ) -> Iterator[dict[str, Any]]:
        """Yield what was decided before sample `until` in that order, whatever block it was found in; hold the rest."""
        self._held += [*events, *(pattern for pattern in patterns if not pattern.reason)]
        self._held.sort(key=_moment)
        while self._held and self._held[0].decided < until:
            heard = self._held.pop(0)
            yield self._event(heard) if isinstance(heard, Event) else self._pattern(heard)

    def _event(self, event: Event) -> dict[str, Any]:
        context = replace(self._context, severity=self._severity[event.label])
        answer = cloud_event(event, context, self._stamp(), onset=self._utc(event.onset), rate_hz=self._rate)
        return self._placed(answer, event.onset, event.end)

    def _pattern(self, pattern: Pattern) -> dict[str, Any]:
        first = self._utc(pattern.onsets[0])
        answer = pattern_event(pattern, self._context, self._stamp(), first=first, rate_hz=self._rate)
        last = pattern.onsets[-1] if len(pattern.onsets) > 1 else pattern.decided
        return self._placed(answer, pattern.onsets[0], last)

    def _placed(self, answer: dict[str, Any], onset: int, end: int | None) -> dict[str, Any]:
        answer["data"]["onset_s"] = round(onset / self._rate, 3)
        answer["data"]["end_s"] = None if end is None else round(end / self._rate, 3)
        return answer

    def _stamp(self) -> Stamp:
        return Stamp(str(uuid.uuid4()), next(self._numbers), datetime.now(timezone.utc))

    def _utc(self, index: int) -> datetime:
        return datetime.fromtimestamp(self._epoch + index / self._rate, timezone.utc)


def _moment(heard: Event | Pattern) -> tuple[int, tuple[int, ...]]:
    """Return what orders messages: the decision; among patterns of one, which comes after its events, the onsets."""
    return heard.decided, () if isinstance(heard, Event) else heard.onsets
