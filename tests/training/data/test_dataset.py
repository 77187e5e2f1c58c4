"""Recordings for a run: which clips it sees, and the front end of its network."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from edge.errors import ConfigError
from edge.frontend.params import FrontEndParams
from tests.support.recordings import LABELS
from training.config import Config, DataConfig, ModelConfig, Stage
from training.data.dataset import _use_fine_labels, make_front_end, open_recordings, read_clips
from training.data.manifest import Clip

if TYPE_CHECKING:
    from pathlib import Path


def config(**data: object) -> Config:
    """Return settings of which only these matter."""
    return Config(DataConfig(**data))  # type: ignore[arg-type]


def make_clip(fine: str) -> Clip:
    return Clip(0, "0.wav", "", "c", "g", "", "", "0.wav", 1.0, fine=fine)


def test_a_run_may_be_of_one_corpus_and_its_own_labels(data: Path) -> None:
    """Clips of other corpora keep their row, which teachers count by, and lose their label."""
    clips = read_clips(data, config(only=("two",), fine=True))
    assert {clip.label for clip in clips if clip.corpus == "two"} == {f"{label} of two" for label in LABELS}
    assert {clip.label for clip in clips if clip.corpus == "one"} == {""}
    assert [clip.index for clip in clips] == list(range(len(clips)))


@pytest.mark.parametrize("name", ["only", "leave_out", "test_corpora"])
def test_a_corpus_that_is_not_there_is_named(name: str, data: Path) -> None:
    """A typing mistake must not train on nothing, nor on a held-out corpus."""
    with pytest.raises(ConfigError, match=rf"data\.{name}: .* has no corpus 'three'"):
        read_clips(data, config(**{name: ("one", "three")}))


def test_a_clip_of_several_own_labels_has_them_all() -> None:
    """They are parted as classes are."""
    clip = dataclasses.replace(make_clip("Bark;Dog"), label="dog")
    assert _use_fine_labels(clip).labels == ("Bark", "Dog")
    assert _use_fine_labels(make_clip("")).labels == ()


def test_the_front_end_follows_the_network() -> None:
    """A streaming network decides as often as its strides say, all others as the service does by default."""
    stages = (Stage(8, 1, 2, 2), Stage(8, 1, 2, 2))
    assert make_front_end(Config(model=ModelConfig(name="streamnet", stages=stages))).decision_frames == 16
    assert make_front_end(Config(model=ModelConfig(name="resnet", stages=stages))) == FrontEndParams()


def test_strides_that_do_not_fit_the_window_are_refused() -> None:
    """Otherwise the last frames of a window would be in no decision."""
    with pytest.raises(ConfigError, match="20 frames between decisions do not divide a window of 96"):
        make_front_end(Config(model=ModelConfig(name="streamnet", stages=(Stage(8, 1, 5, 2),))))


def test_features_are_shared_between_decision_rates(data: Path, tmp_path: Path) -> None:
    """How often a network decides changes no frame, so nothing is computed again."""
    for frames in (8, 16):
        open_recordings(data, tmp_path, Config(), FrontEndParams(decision_frames=frames))
    assert len(list(tmp_path.iterdir())) == 1
