"""Classification of whole recordings, for `tocsin classify` and `POST /classify`."""

from __future__ import annotations

import itertools
import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from edge.audio.decode.recording import open_recording
from edge.detection.rules import make_rules
from edge.errors import UsageError
from edge.pipeline.pipeline import Pipeline, make_scores
from edge.types import AudioBlock, Phase

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edge.frontend.params import FrontEndParams
    from edge.inference.onnx import OnnxClassifier
    from edge.settings.detection import Detection
    from edge.types import Event, MelWindow

_ODDS_LIMIT = 1e-7  # probabilities are limited to this distance from 0 and 1
_BLOCK_S = 4.0  # sound analysed at once: short, so that live audio does not wait long for an upload


class ClipClassifier:
    """Classifier of recordings with a node's network and rules. Thread-safe."""

    def __init__(self, classifier: OnnxClassifier, detection: Detection) -> None:
        """Take the network, and the settings that turn its scores into events."""
        self._classifier = classifier
        self._detection = detection

    def classify(
        self,
        path: Path,
        *,
        hop_s: float | None = None,
        top_k: int | None = None,
        threshold: float | None = None,
        max_s: float | None = None,
    ) -> dict[str, Any]:
        """Return the scores of a recording's labels, best first, and its events.

        `hop_s` is the time between two windows in seconds (None for the model's own; see `_count_hop_frames`), `top_k`
        limits the labels, `threshold` leaves out labels below it and replaces the score at which events begin. A
        label's score is the generalised mean, of power 1/2, of its odds in the windows: it is between the highest
        window and the average. Raises the errors of `open_recording`, and `UsageError` for invalid parameters.
        """
        begin = time.perf_counter()
        pipeline = self._make_pipeline(hop_s, threshold)
        totals = _Totals(len(self._classifier.bundle.labels))
        events: dict[str, Event] = {}
        samples, rate = 0, pipeline.params.sample_rate_hz
        with open_recording(path, max_s=max_s) as clip:
            for windows, samples in _yield_windows(clip.blocks(rate, _BLOCK_S), pipeline):  # noqa: B007
                self._score(windows, pipeline, totals, events)
            rate_hz, remark = clip.rate_hz, clip.remark
        for event in pipeline.interrupt(lost=False):
            events[event.event_id] = event
        return {
            "model": asdict(self._classifier.info),
            "duration_s": round(samples / rate, 3),
            "sample_rate": rate_hz,
            "labels": self._rank_labels(totals.compute_scores(), top_k, threshold),
            "events": [_event(event, rate) for event in events.values() if event.phase is Phase.END],
            **({"remark": remark} if remark else {}),
            "timing_ms": {
                "inference": round(totals.inference_s * 1e3, 2),
                "total": round((time.perf_counter() - begin) * 1e3, 2),
            },
        }

    def _make_pipeline(self, hop_s: float | None, threshold: float | None) -> Pipeline:
        """Return a pipeline for one recording; see `classify`."""
        bundle = self._classifier.bundle
        params = bundle.params
        if hop_s is not None:
            params = replace(params, decision_frames=_count_hop_frames(hop_s, params, streaming=bundle.streaming))
        rules = make_rules(bundle.labels, bundle.thresholds, self._detection)
        if threshold is not None:
            rules = tuple(replace(rule, on=threshold, off=min(rule.off, threshold)) for rule in rules)
        ids = map(str, itertools.count())
        return Pipeline(params, bundle.labels, rules, lambda: next(ids), update_s=self._detection.update_s)

    def _rank_labels(
        self, scores: NDArray[np.float64], top_k: int | None, threshold: float | None
    ) -> list[dict[str, str | float]]:
        """Return the labels with their scores, shape (labels,), best first; see `classify`."""
        names = self._classifier.bundle.labels
        best = [i for i in np.argsort(-scores, kind="stable")[:top_k] if threshold is None or scores[i] >= threshold]
        return [{"label": names[i], "score": round(float(scores[i]), 6)} for i in best]

    def _score(
        self, windows: Sequence[MelWindow], pipeline: Pipeline, totals: _Totals, events: dict[str, Event]
    ) -> None:
        if not windows:
            return
        begin = time.perf_counter()
        rows = self._classifier.score(windows)
        totals.inference_s += time.perf_counter() - begin
        for window, row in zip(windows, rows, strict=True):
            totals.add(row, window.heard)
            for event in pipeline.decide(make_scores(window, row)):
                events[event.event_id] = event


class _Totals:
    """Sums over the full windows, or over the fullest one of a shorter recording."""

    def __init__(self, labels: int) -> None:
        self._sum = np.zeros(labels)
        self._windows = 0
        self._heard = 0
        self.inference_s = 0.0

    def add(self, row: NDArray[np.float32], heard: int) -> None:
        if heard > self._heard:
            self._sum[:], self._windows, self._heard = 0.0, 0, heard
        chance = np.clip(row.astype(np.float64), _ODDS_LIMIT, 1.0 - _ODDS_LIMIT)
        self._sum += np.sqrt(chance / (1.0 - chance))
        self._windows += 1

    def compute_scores(self) -> NDArray[np.float64]:
        odds = np.square(self._sum / max(self._windows, 1))
        return np.asarray(odds / (1.0 + odds))


def _count_hop_frames(hop_s: float, params: FrontEndParams, *, streaming: bool) -> int:
    """Return the number of frames between two windows.

    A streaming network decides at multiples of its own step: a hop is rounded up to one, and a window gets the highest
    probability since the last window, so that no short sound is lost in between. Raises `UsageError` for less than a
    frame or more than a window.
    """
    shortest_s, longest_s = 1 / params.frames_per_s, params.window_frames / params.frames_per_s
    if not shortest_s / 2 < hop_s <= longest_s:  # also false for NaN
        msg = f"the hop must be between {shortest_s:.3f} and {longest_s:.3f} seconds, not {hop_s:g}"
        raise UsageError(msg, where="hop_s")
    frames = max(1, round(hop_s * params.frames_per_s))
    return -(-frames // params.decision_frames) * params.decision_frames if streaming else frames


def _yield_windows(blocks: Iterator[NDArray[np.float32]], pipeline: Pipeline) -> Iterator[tuple[list[MelWindow], int]]:
    """Yield the windows of each block, and of the rest, with the samples read."""
    start = 0
    for block in blocks:
        windows = pipeline.feed(AudioBlock(block, start))
        start += block.size
        yield windows, start
    yield pipeline.flush(), start


def _event(event: Event, rate: int) -> dict[str, Any]:
    return {
        "label": event.label,
        "onset_s": round(event.onset / rate, 3),
        "offset_s": round((event.end or event.decided) / rate, 3),
        "score": round(event.peak_score, 4),
    }
