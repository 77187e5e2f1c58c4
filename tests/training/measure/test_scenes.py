"""Scenes put sounds into background at the ratio and the time they say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from edge.frontend.params import FrontEndParams
from tests.support.trials import clip, trial
from training.data.onsets import compute_level_db
from training.measure.scenes import SNRS_DB, SceneMaker, score_scenes

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from training.data.manifest import Clip
    from training.measure.trial import Trial

PARAMS = FrontEndParams()
RATE = PARAMS.sample_rate_hz
LABELS = ("siren", "wind")


def tone(seconds: float) -> NDArray[np.float32]:
    return (0.3 * np.sin(2 * np.pi * 1000 * np.arange(int(seconds * RATE)) / RATE)).astype(np.float32)


def hiss(seconds: float) -> NDArray[np.float32]:
    return np.random.default_rng(1).normal(0, 0.05, int(seconds * RATE)).astype(np.float32)


def make_maker(folder: Path, most: int = 60) -> SceneMaker:
    return SceneMaker(folder, PARAMS, ("wind",), most=most)


@pytest.mark.parametrize("length_s", [0.2, 3.0])
def test_the_background_is_as_far_below_as_asked(tmp_path: Path, length_s: float) -> None:
    """For short and long sounds, their level is the ratio above that of the background before them."""
    level = compute_level_db(make_maker(tmp_path).make_scene(tone(length_s), hiss(9), 10.0, 1), PARAMS)
    before = PARAMS.window_frames - PARAMS.decision_frames
    during = 10 ** (np.median(level[before + 3 : before + int(length_s * 64) - 4]) / 10)
    under = 10 ** (level[: before - 4] / 10)
    assert 10 * np.log10((during - under.mean()) / under.mean()) == pytest.approx(10.0, abs=0.7)


def test_the_first_decision_hears_the_first_step_of_the_sound(tmp_path: Path) -> None:
    """A window before the sound but for one step, and silence where no background is asked for."""
    level = compute_level_db(make_maker(tmp_path).make_scene(tone(1.0), hiss(1), None, 1), PARAMS)
    first = PARAMS.window_frames - PARAMS.decision_frames
    assert (level[: first - 2] < -75).all()
    assert (level[first : first + 60] > -20).all()


def test_one_clip_of_every_recording_comes_first(tmp_path: Path) -> None:
    """Of many cuts of one recording and one of another, both recordings are drawn, always the same clips."""
    clips = [clip(n, "siren", group="g") for n in range(9)] + [clip(9, "siren", group="h")]
    drawn = make_maker(tmp_path, most=2).select(clips)
    assert {one.group for one in drawn} == {"g", "h"}
    assert make_maker(tmp_path, most=2).select(clips[::-1]) == drawn


def make_trial(folder: Path, clips: list[Clip]) -> Trial:
    """Write the sounds of clips; return a trial that held them out."""
    for one in clips:
        soundfile.write(folder / one.file, hiss(4) if one.label == "wind" else tone(1.5), RATE)
    return trial(LABELS, [(one, [[0.5, 0.5]]) for one in clips])


def tonal(log_mel: NDArray[np.float32]) -> NDArray[np.float64]:
    """Decide, every step after a window, that a window whose middle step has a band that stands far out is a siren."""
    middles = np.arange(PARAMS.window_frames, len(log_mel) + 1, PARAMS.decision_frames) - PARAMS.window_frames // 2
    steps = [log_mel[middle - 8 : middle] for middle in middles]
    out = np.array([np.median(step.max(axis=1) - step.mean(axis=1)) for step in steps])
    siren = np.where(out > 0.9, 0.9, 0.1)
    return np.stack([siren, np.full(len(siren), 0.1)], axis=1)


def test_recall_falls_with_the_ratio_and_events_are_placed(tmp_path: Path) -> None:
    """A detector of tones finds all in little noise, none in much, with correct begin and end at 10 dB."""
    trial_ = make_trial(tmp_path, [clip(0, "siren"), clip(1, "wind")])
    count = score_scenes([(trial_, tonal)], LABELS, ["siren"], make_maker(tmp_path))["siren"]
    assert list(count.found) == list(SNRS_DB)
    assert count.found[20.0] == count.found[10.0] == [True]
    assert (count.events.f1, count.onsets.f1) == (1.0, 1.0)
    assert (count.events.hits, count.events.estimates) == (1, 1)


def test_an_event_in_the_scene_of_another_is_a_false_one(tmp_path: Path) -> None:
    """Constant alarms for sirens count where a horn sounds, not where a siren may be."""
    clips = [clip(0, "horn"), clip(1, "wind"), clip(2, "horn", others=["siren"])]
    trial_ = make_trial(tmp_path, clips)
    labels = ("siren", "wind", "horn")
    trial_ = trial(labels, [(one, [[0.5] * 3]) for one in trial_.scored.clips])

    def always(log_mel: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.full((len(log_mel) // 8 - 11, 3), 0.9)

    counts = score_scenes([(trial_, always)], labels, ["horn", "siren"], make_maker(tmp_path))
    assert counts["siren"].events.references == 1
    assert counts["siren"].events.estimates == 2


def test_without_background_nothing_is_played(tmp_path: Path) -> None:
    """A trial whose only wind has a siren in it makes no scene of sirens."""
    trial_ = make_trial(tmp_path, [clip(0, "siren"), clip(1, "wind", others=["siren"])])
    assert score_scenes([(trial_, tonal)], LABELS, ["siren"], make_maker(tmp_path))["siren"].found[None] == []
