"""Detector of sounds above the background of one stream. Pure: time is a sample index.

Frames wait until the decision that ends with them, so that a report depends on the frames and scores up to that
decision only: neither on the chunks in which the sound arrived, nor on the time at which it was scored.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np

from edge.away.background import Background
from edge.errors import ConfigError, suggest
from edge.settings.away import SOUND
from edge.types import Pattern

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge.frontend.params import FrontEndParams
    from edge.settings.away import Away
    from edge.types import Scores

IGNORED = "ignored label"
"""Reason to suppress a sound."""

_SETTLE_S = 0.5  # four time constants of the F weighting, which starts from silence
_DIP_S = 0.3  # a pause between syllables: a shorter one does not end a sound
_RISE_S = 0.25  # longest rise of a sound before it exceeds the margin
_RISE_DB = 0.5  # least rise between two frames
_JUDGE_S = 0.35  # after the onset: the model needs this much of a sound to recognise an ignored label


class AwayWatch:
    """Detector that reports each sound above the background of one stream once.

    `push` takes the levels of frames, `decide` the scores of a window; `take` returns the reports.
    """

    def __init__(self, settings: Away, params: FrontEndParams, labels: Sequence[str]) -> None:
        """Start at frame 0; raises `ConfigError` for an ignored label that the model lacks."""
        self._params, self._labels = params, tuple(labels)
        self._ignored = [_find_index(label, self._labels) for label in settings.ignore]
        self._ignore_score = settings.ignore_score
        per_s = params.frames_per_s
        self._margin_db = settings.margin_db
        self._min_frames = max(1, round(settings.min_duration_s * per_s))
        self._quiet_frames = max(1, round(settings.quiet_s * per_s))
        self._dip_frames = round(_DIP_S * per_s)
        self._settle_frames = round(_SETTLE_S * per_s)
        self._judge = round(_JUDGE_S * params.sample_rate_hz) if self._ignored else 0
        self._background = Background(settings.background_s, per_s / params.decision_frames, settings.margin_db)
        self._recent: deque[float] = deque(maxlen=round(_RISE_S * per_s) + 1)
        self._patterns: list[Pattern] = []
        self.reset(0)

    def reset(self, frame: int) -> None:
        """Forget the sound in progress after a gap before `frame`; keep the background."""
        self._waiting: NDArray[np.float64] = np.empty(0)
        self._next, self._settled = frame, frame + self._settle_frames
        self._recent.clear()
        self.rearm()

    def rearm(self) -> None:
        """Forget the sound in progress, so that it is reported if it continues.

        Called when the away mode becomes armed.
        """
        self._reported = self._suppressed = False
        self._below = 0
        self._forget()

    def _forget(self) -> None:
        self._above, self._excess_db = 0, 0.0
        self._first: int | None = None
        self._onset: int | None = None

    def push(self, first_frame: int, fast_db: NDArray[np.float64]) -> None:
        """Take the fast-weighted A-levels of the next frames, in dB re full scale.

        Missing frames are a gap.
        """
        if first_frame != self._next + self._waiting.size:
            self.reset(first_frame)
        self._waiting = np.concatenate((self._waiting, fast_db))

    def decide(self, scores: Scores) -> None:
        """Take the next window's scores and analyse the frames up to its end."""
        ready = max(0, self._params.count_frames(scores.end) - self._next)
        frames, self._waiting = self._waiting[:ready], self._waiting[ready:]
        step = self._params.decision_frames
        for begin in range(0, frames.size, step):
            self._observe(frames[begin : begin + step].tolist())
        if self._onset is not None and not self._reported:
            self._judge_sound(self._onset, scores)

    def take(self) -> list[Pattern]:
        """Return the reports since the last call."""
        patterns, self._patterns = self._patterns, []
        return patterns

    def describe_levels(self, offset_db: float) -> dict[str, Any] | None:
        """Return the levels of background and threshold in dB, or None until known."""
        background_db = self._background.level_db()
        if background_db is None:
            return None
        return {
            "background": round(background_db + offset_db, 1),
            "threshold": round(background_db + self._margin_db + offset_db, 1),
            "restless": self._background.is_restless(),
        }

    def _observe(self, levels_db: list[float]) -> None:
        """Count the frames of one decision that exceed the background before them."""
        begin, self._next = self._next, self._next + len(levels_db)
        if begin < self._settled:
            return
        background_db = self._background.level_db()
        self._background.push(max(levels_db))
        for frame, level_db in enumerate(levels_db, begin):
            self._recent.append(level_db)
            if background_db is not None:
                self._count(frame, level_db - background_db)

    def _count(self, frame: int, excess_db: float) -> None:
        exceeds = excess_db >= self._margin_db
        self._below = 0 if exceeds else self._below + 1
        if self._below == self._quiet_frames:
            self._reported = self._suppressed = False
        if self._reported:
            return
        if not exceeds:
            if self._below == self._dip_frames and self._onset is None:
                self._forget()
            return
        self._above += 1
        self._excess_db = max(self._excess_db, excess_db)
        if self._first is None:
            self._first = self._find_rise(frame)
        if self._above >= self._min_frames and self._onset is None:
            self._onset = self._first * self._params.hop_samples + self._params.n_fft // 2

    def _find_rise(self, frame: int) -> int:
        """Return the frame at which the level that now exceeds the margin began rising."""
        levels = list(self._recent)
        steps = 0
        while steps < len(levels) - 1 and levels[-1 - steps] - levels[-2 - steps] >= _RISE_DB:
            steps += 1
        return frame - max(0, steps - 1)

    def _judge_sound(self, onset: int, scores: Scores) -> None:
        values = scores.probabilities
        ignored = max(self._ignored, key=lambda index: float(values[index]), default=None)
        if ignored is not None and values[ignored] >= self._ignore_score:
            # Later sounds are counted from zero, so that a barking dog does not hide a voice for long.
            if not self._suppressed:
                self._report(onset, scores, ignored, IGNORED)
            self._suppressed = True
            self._forget()
        elif scores.end >= onset + self._judge:
            self._report(onset, scores, int(np.argmax(values)))
            self._reported = True
            self._forget()

    def _report(self, onset: int, scores: Scores, label: int, reason: str = "") -> None:
        confidence = 1.0 - 10.0 ** (-self._excess_db / 10.0)  # the share of the energy that is not the background's
        detail = f"{self._labels[label]} {float(scores.probabilities[label]):.2f}"
        self._patterns.append(Pattern(SOUND, (onset,), scores.end, confidence, reason=reason, detail=detail))


def _find_index(label: str, labels: Sequence[str]) -> int:
    if label in labels:
        return labels.index(label)
    msg = f"the model has no label '{label}'"
    raise ConfigError(msg, where="away.ignore", remedy=suggest(label, labels))
