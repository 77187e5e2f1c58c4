"""A recording through the very pipeline of the live service, as CloudEvents."""

from __future__ import annotations

import itertools
import time
import uuid
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from edge.audio.decode import open_clip
from edge.build import build_pipeline
from edge.detection.rules import rules_for
from edge.inference.clip import model_info
from edge.publish.payload import EventContext, ModelInfo, Stamp, cloud_event
from edge.types import AudioBlock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edge.inference.onnx import OnnxClassifier
    from edge.settings import Settings
    from edge.types import Event

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
    on_progress: Callable[[float, float | None], None] | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield the CloudEvents of a recording, with ``data.onset_s`` and ``data.end_s`` from its start.

    `speed` is in multiples of real time, None for as fast as it goes; the events are the same at every speed.
    `on_progress` is told the seconds done and, where it is known, the recording's length. Raises what
    `edge.audio.decode` raises.
    """
    pipeline = build_pipeline(classifier.bundle, settings)
    rate = pipeline.params.sample_rate_hz
    bundle = classifier.bundle
    rules = {rule.label: rule for rule in rules_for(bundle.labels, bundle.thresholds, settings.detection)}
    model = ModelInfo(**model_info(classifier))
    epoch, began_s = time.time(), time.monotonic()
    numbers = itertools.count(1)

    def utc(index: int) -> datetime:
        return datetime.fromtimestamp(epoch + index / rate, timezone.utc)

    def message(event: Event) -> dict[str, Any]:
        context = EventContext(
            node=node,
            source_name=source_name,
            location=settings.node.location,
            model=model,
            calibrated=settings.level.calibration_offset_db is not None,
            clock_synced=False,
            severity=rules[event.label].severity,
        )
        stamp = Stamp(str(uuid.uuid4()), next(numbers), datetime.now(timezone.utc))
        end = None if event.end is None else utc(event.end)
        answer = cloud_event(event, context, stamp, onset=utc(event.onset), end=end, heard=utc(event.decided))
        answer["data"]["onset_s"] = round(event.onset / rate, 3)
        answer["data"]["end_s"] = None if event.end is None else round(event.end / rate, 3)
        return answer

    with open_clip(path) as clip:
        # Faster than real time, the recording is dated so that it ends now: nothing sounds in the future.
        epoch -= (clip.duration_s or 0.0) * (1.0 - (0.0 if speed is None else min(1.0, 1.0 / speed)))
        start = 0
        for samples in clip.blocks(rate, _FAST_BLOCK_S if speed is None else _PACED_BLOCK_S * max(1.0, speed)):
            events = pipeline.push(AudioBlock(samples, start), classifier)
            start += samples.size
            if on_progress is not None:
                on_progress(start / rate, clip.duration_s)
            if speed is not None:
                time.sleep(max(0.0, began_s + start / rate / speed - time.monotonic()))
            yield from map(message, events)
    yield from map(message, pipeline.finish(classifier))
