"""The pure pipeline from samples to events: features, windows, decisions.

It has no thread, clock or device. `push` does all in one call. For streams that share one network, `feed` returns the
windows to be scored and `decide` takes their scores, in order. The live service, `replay`, `/classify` and the tests
all use it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from edge.detection.detector import Detector
from edge.detection.level import LevelMeter
from edge.frontend.samples import are_finite, silence_invalid
from edge.frontend.stream import StreamingFrames
from edge.types import AudioBlock, Event, Level, MelWindow, NetworkState, Scores

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from edge.away.watch import AwayWatch
    from edge.claps.listener import ClapListener
    from edge.detection.rules import Rule
    from edge.frontend.params import FrontEndParams
    from edge.inference.classifier import Classifier
    from edge.types import Pattern


class Pipeline:
    """The pipeline of one stream."""

    def __init__(
        self,
        params: FrontEndParams,
        labels: Sequence[str],
        rules: Sequence[Rule],
        new_id: Callable[[], str],
        *,
        update_s: float,
        offset_db: float = 0.0,
    ) -> None:
        """Start at sample 0; `new_id` makes the id of each event."""
        self.params = params
        self.meter = LevelMeter(params, offset_db)
        self.claps: ClapListener | None = None
        """The listener of this stream, if it listens for claps."""
        self.away: AwayWatch | None = None
        """The watch of this stream, if it takes part in the away mode."""
        self._last_decision = 0
        self._over = False
        self._index = {label: i for i, label in enumerate(labels)}
        self._new_id, self._offset_db = new_id, offset_db
        self._detectors: list[tuple[int, Detector]] = []
        self.set_rules(rules, update_s)
        self._frames = StreamingFrames(params, params.decision_frames)
        self._silence = np.full((params.window_frames, params.n_mels), params.silence, np.float32)
        self._expected = 0
        self._gap_at: int | None = None
        self._restart(0, gap=False)

    def set_rules(self, rules: Sequence[Rule], update_s: float) -> list[Event]:
        """Replace the rules; return the messages that end the events of the old ones."""
        events = self.interrupt(lost=False)
        self._detectors = [
            (
                self._index[rule.label],
                Detector(
                    rule,
                    self.params,
                    self.meter,
                    self._new_id,
                    update_s=update_s,
                    offset_db=self._offset_db,
                    begin=self._last_decision,
                ),
            )
            for rule in rules
        ]
        return events

    def _restart(self, start: int, *, gap: bool) -> None:
        self._start, self._gap = start, gap
        self._frame = start // self.params.hop_samples
        self._history = self._silence
        self._state = NetworkState()
        self._frames.reset()
        self.meter.reset(self._frame)

    def is_after_gap(self, block: AudioBlock) -> bool:
        """Return whether samples were lost before `block`.

        If so, score and decide all windows before you feed it.
        """
        return block.start != self._expected

    def feed(self, block: AudioBlock) -> list[MelWindow]:
        """Take the next samples and return the windows to be scored, oldest first."""
        if self.is_after_gap(block):
            # All frames of a stream are on one grid, so that a frame's number gives its time.
            hop = self.params.hop_samples
            self._restart(-(-block.start // hop) * hop, gap=True)
            if self.claps is not None:
                self.claps.reset(block.start)
        self._expected = block.start + block.samples.size
        samples, _ = silence_invalid(block.samples)  # a source counts and logs such samples; other callers do not
        if self.claps is not None:
            self.claps.push(samples)
        power, mel = self._frames.push(samples[max(0, self._start - block.start) :])
        return self._make_windows(power, mel)

    def flush(self) -> list[MelWindow]:
        """Complete the last frames with silence and return the last windows of the stream."""
        self._over = True
        params = self.params
        waiting = self._frames.waiting_samples
        if not waiting or (
            waiting <= params.n_fft - params.hop_samples and self._frame > self._start // params.hop_samples
        ):
            return []
        group = params.decision_samples
        needed = -(-waiting // group) * group + params.n_fft - params.hop_samples
        power, mel = self._frames.push(np.zeros(max(0, needed - waiting), np.float32))
        return self._make_windows(power, mel)

    def _make_windows(self, power: NDArray[np.float32], mel: NDArray[np.float32]) -> list[MelWindow]:
        if not len(mel):
            return []
        self.meter.push(power)
        if self.away is not None:
            self.away.push(self._frame, self.meter.read_fast_db(self._frame, self._frame + len(power)))
        params, step = self.params, self.params.decision_frames
        joined = np.concatenate((self._history, mel))
        self._history = joined[-params.window_frames :].copy()
        windows = []
        for upto in range(step, len(mel) + 1, step):
            end = (self._frame + upto - 1) * params.hop_samples + params.n_fft
            heard = min(end - self._start, params.window_samples)
            gap = self._gap and heard < params.window_samples
            features = joined[upto : upto + params.window_frames]
            windows.append(MelWindow(features, end, heard, gap, step, self._state))
        self._frame += len(mel)
        return windows

    def decide(self, scores: Scores) -> list[Event]:
        """Take the scores of the next window and return their messages."""
        events: list[Event] = []
        begin = scores.end - scores.heard
        if scores.gap and begin != self._gap_at:
            self._gap_at = begin
            events += self.interrupt(resume=begin)
        self._last_decision = scores.end
        scores = _replace_nonfinite(scores)
        for watcher in (self.claps, self.away):
            if watcher is not None:
                watcher.decide(scores)
        # An event may have begun in the gap if it is detected less than two windows after it.
        gap = self._gap_at is not None and scores.end - self._gap_at < 2 * self.params.window_samples
        # The start of a stream is itself an onset, so no event starts before one whole window, or the whole stream. A
        # sound in that first window is still in it then.
        may_start = scores.heard >= self.params.window_samples or self._over
        values = scores.probabilities.tolist()
        for index, detector in self._detectors:
            events += detector.step(values[index], scores.end, may_start=may_start, gap=gap)
        return self._limit_ends(events)

    def interrupt(self, *, lost: bool = True, resume: int | None = None) -> list[Event]:
        """End every current event, at a gap (`lost`) or at the end of the stream.

        `resume` is the first sample after the gap, if known.
        """
        events: list[Event] = []
        for _, detector in self._detectors:
            events += detector.interrupt(self._last_decision, lost=lost, resume=resume)
        return self._limit_ends(events)

    def _limit_ends(self, events: list[Event]) -> list[Event]:
        """Return events that end no later than the stream, without its added silence."""
        if not self._over:
            return events
        return [e if e.end is None else replace(e, end=max(e.onset, min(e.end, self._expected))) for e in events]

    def take_patterns(self) -> list[Pattern]:
        """Return the patterns since the last call, in order, suppressed ones with their reason."""
        watchers = [watcher for watcher in (self.claps, self.away) if watcher is not None]
        return sorted((p for watcher in watchers for p in watcher.take()), key=lambda p: p.decided)

    @property
    def decided_until(self) -> int:
        """The sample index before which every message and pattern has been returned."""
        return self._last_decision if self.claps is None else min(self._last_decision, self.claps.decided_until)

    def take_levels(self) -> list[Level]:
        """Return the levels of the seconds completed since the last call."""
        return self.meter.take_levels()

    def describe_away_levels(self) -> dict[str, Any] | None:
        """Return the away mode's background and threshold, calibrated, or None."""
        return None if self.away is None else self.away.describe_levels(self._offset_db)

    def push(self, block: AudioBlock, classifier: Classifier) -> list[Event]:
        """Take the next samples and return all their messages."""
        return self.score(self.feed(block), classifier)

    def finish(self, classifier: Classifier) -> list[Event]:
        """End the stream and return its last messages; `take_patterns` has the last patterns."""
        events = self.score(self.flush(), classifier) + self.interrupt(lost=False)
        self.close()
        return events

    def close(self) -> None:
        """Decide the waiting clap patterns, after the last windows are scored."""
        if self.claps is not None:
            self.claps.finish()

    def score(self, windows: Sequence[MelWindow], classifier: Classifier) -> list[Event]:
        """Score `windows` and return all their messages."""
        if not windows:
            return []
        events: list[Event] = []
        for window, row in zip(windows, classifier.score(windows), strict=True):
            events += self.decide(make_scores(window, row))
        return events


def _replace_nonfinite(scores: Scores) -> Scores:
    """Replace probabilities that are not finite by 0, which passes no threshold."""
    if are_finite(scores.probabilities):
        return scores
    return replace(scores, probabilities=np.nan_to_num(scores.probabilities, nan=0.0, posinf=0.0, neginf=0.0))


def make_scores(window: MelWindow, probabilities: NDArray[np.float32]) -> Scores:
    """Return the record of a window's probabilities, shape (labels,)."""
    return Scores(probabilities, window.end, window.heard, window.gap)
