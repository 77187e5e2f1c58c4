"""CloudEvents of a recording, made by the pipeline of the live service."""

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
from edge.detection.rules import make_rules
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

_FAST_BLOCK_S = 4.0  # sound analysed at once if not in real time
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
    """Yield the CloudEvents of a recording.

    ``data.onset_s`` and ``data.end_s`` count from its start. Clap patterns need a `clap_network`, and sounds the away
    mode in the settings. `speed` is in multiples of real time, None for the maximum; the events are the same at every
    speed. `on_progress` gets the seconds done and the recording's length, if known. Raises the errors of
    `open_recording`.
    """
    pipeline = build_pipeline(classifier.bundle, settings, source=source_name, clap_network=clap_network)
    rate = pipeline.params.sample_rate_hz
    began_s = time.monotonic()
    with open_recording(path) as clip:
        # Faster than real time, the recording is dated so that it ends now, and no event is in the future.
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
            yield from messages.take_decided(events, pipeline.take_patterns(), pipeline.decided_until)
        if clip.remark:
            log.warning("%s: %s", path, clip.remark)
    events = pipeline.finish(classifier)
    yield from messages.take_decided(events, pipeline.take_patterns())


class _Messages:
    """Maker of the CloudEvents of one recording, which began at `epoch` (Unix seconds)."""

    def __init__(
        self, classifier: OnnxClassifier, settings: Settings, node: str, source_name: str, epoch: float
    ) -> None:
        bundle = classifier.bundle
        self._rate, self._epoch = bundle.params.sample_rate_hz, epoch
        rules = make_rules(bundle.labels, bundle.thresholds, settings.detection)
        self._severity = {rule.label: rule.severity for rule in rules}
        self._numbers = itertools.count(1)
        self._waiting: list[Event | Pattern] = []
        self._context = EventContext(
            node=node,
            source_name=source_name,
            location=settings.node.location,
            model=classifier.info,
            calibrated=settings.level.calibration_offset_db is not None,
            clock_synced=False,
            severity="info",
        )

    def take_decided(
        self, events: Sequence[Event], patterns: Sequence[Pattern], until: float = math.inf
    ) -> Iterator[dict[str, Any]]:
        """Yield the messages of events and patterns decided before sample `until`, in that order.

        Later ones wait for the next call, so that the order does not depend on the blocks.
        """
        self._waiting += [*events, *(pattern for pattern in patterns if not pattern.reason)]
        self._waiting.sort(key=_make_sort_key)
        while self._waiting and self._waiting[0].decided < until:
            found = self._waiting.pop(0)
            yield self._make_event(found) if isinstance(found, Event) else self._make_pattern(found)

    def _make_event(self, event: Event) -> dict[str, Any]:
        context = replace(self._context, severity=self._severity[event.label])
        answer = cloud_event(event, context, self._make_stamp(), onset=self._find_utc(event.onset), rate_hz=self._rate)
        return self._add_times(answer, event.onset, event.end)

    def _make_pattern(self, pattern: Pattern) -> dict[str, Any]:
        first = self._find_utc(pattern.onsets[0])
        answer = pattern_event(pattern, self._context, self._make_stamp(), first=first, rate_hz=self._rate)
        last = pattern.onsets[-1] if len(pattern.onsets) > 1 else pattern.decided
        return self._add_times(answer, pattern.onsets[0], last)

    def _add_times(self, answer: dict[str, Any], onset: int, end: int | None) -> dict[str, Any]:
        answer["data"]["onset_s"] = round(onset / self._rate, 3)
        answer["data"]["end_s"] = None if end is None else round(end / self._rate, 3)
        return answer

    def _make_stamp(self) -> Stamp:
        return Stamp(str(uuid.uuid4()), next(self._numbers), datetime.now(timezone.utc))

    def _find_utc(self, index: int) -> datetime:
        return datetime.fromtimestamp(self._epoch + index / self._rate, timezone.utc)


def _make_sort_key(found: Event | Pattern) -> tuple[int, tuple[int, ...]]:
    """Return the sort key: the decision, then events before patterns, then the onsets."""
    return found.decided, () if isinstance(found, Event) else found.onsets
