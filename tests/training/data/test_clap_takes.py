"""Takes, claps and stretches cut out of recordings, and which of them are trained on."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.errors import ConfigError, DataError
from tests.support.claps import BEGINS_S, OTHERS, TAKES, clap_recordings, row_of_claps
from training.config import ClapsConfig, Config, DataConfig
from training.data.clap_takes import (
    assign_folds,
    cut_claps,
    gather_sounds,
    make_take,
    parse_number,
    select_takes,
    select_without_claps,
)
from training.data.features import load_audio
from training.data.manifest import Clip, read_manifest
from training.sound.clap_scenes import NEAR_SAMPLES, cut_crops
from training.sound.claps import RATE_HZ

DATA = os.environ.get("TOCSIN_DATA")
CONFIG = Config(claps=ClapsConfig(people={"hands": "even"}, background=("alarm",), finer=("human",)))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of synthetic recordings."""
    return clap_recordings(tmp_path_factory.mktemp("claps"))


@pytest.fixture(scope="module")
def clips(data: Path) -> list[Clip]:
    """Return their manifest."""
    return read_manifest(data)


def test_a_take_has_the_claps_of_its_recording() -> None:
    """Its claps are found, and the recording stands at its beginning unchanged."""
    sound = row_of_claps(np.random.default_rng(1), BEGINS_S)
    longer, begins = make_take(sound, 0)
    assert np.array_equal(longer[: sound.size], sound)
    assert np.abs(begins - np.array(BEGINS_S) * RATE_HZ).max() <= NEAR_SAMPLES


@pytest.mark.parametrize("seed", range(5))
def test_a_clap_cut_out_of_its_room_becomes_an_onset(seed: int) -> None:
    """A recording of 200 ms that begins with its clap is padded with noise, so that a device finds an onset."""
    sound = row_of_claps(np.random.default_rng(seed), (0.0,), 0.2)
    take, begins = make_take(sound, seed)
    onsets, crops = cut_crops(take)
    assert len(crops) == len(begins) == 1
    assert abs(onsets[0] - begins[0]) <= NEAR_SAMPLES


def test_silence_is_a_take_without_claps() -> None:
    """Without an onset there are no claps."""
    assert make_take(np.zeros(RATE_HZ, np.float32), 0)[1].size == 0


def test_single_claps_begin_with_their_attack_and_fade_to_nothing() -> None:
    """Each is 150 ms long, is loud within 20 ms and ends at 0."""
    claps = cut_claps(make_take(row_of_claps(np.random.default_rng(1), BEGINS_S), 0))
    assert [clap.size for clap in claps] == [2_400, 2_400]
    assert all(np.abs(clap).argmax() < 320 for clap in claps)
    assert [clap[-1] for clap in claps] == [0.0, 0.0]


def test_even_takes_are_trained_on(clips: list[Clip]) -> None:
    """Of a person with `even` half the takes are used, with `all` every one, of others no take."""
    even = select_takes(clips, CONFIG.claps)
    every = select_takes(clips, ClapsConfig(people={"hands": "all"}))
    assert [parse_number(clip) for clip in even["hands"]] == [0, 2, 4]
    assert {group: len(takes) for group, takes in every.items()} == {"hands": TAKES}


def test_a_wrong_share_and_a_take_without_number_are_errors(clips: list[Clip]) -> None:
    """`odd` is not a choice, and a name without a number is neither even nor odd."""
    with pytest.raises(ConfigError, match=r"claps\.people: 'odd'"):
        select_takes(clips, ClapsConfig(people={"hands": "odd"}))
    with pytest.raises(DataError, match="has no number"):
        parse_number(dataclasses.replace(clips[0], name="take.wav"))


def test_a_fold_never_divides_an_uploader(clips: list[Clip]) -> None:
    """Recordings of one uploader are in one fold, and the others are spread over several."""
    same = [dataclasses.replace(clip, uploader="u" if clip.index % 2 else "") for clip in clips]
    folds = assign_folds(same)
    assert len({folds[clip.index] for clip in same if clip.uploader}) == 1
    assert len(set(assign_folds(clips).values())) > 2


def test_what_holds_no_clap(clips: list[Clip]) -> None:
    """Claps, clips of unsure class and those that are excluded by name are not among it."""
    unsure = [dataclasses.replace(clip, label="") if clip.name == "alarm-0.wav" else clip for clip in clips]
    config = Config(data=DataConfig(exclude_names=("human-1.wav",)))
    kept = select_without_claps(unsure, config)
    assert len(kept) == OTHERS - 2
    assert "clap" not in {clip.label for clip in kept}


def test_material_leaves_the_fold_out_and_repeats_itself(data: Path, clips: list[Clip]) -> None:
    """Without the fold there are fewer stretches, and the same seed gives the same ones."""
    fold = assign_folds(clips)[clips[-1].index]
    part = dataclasses.replace(CONFIG, claps=dataclasses.replace(CONFIG.claps, fold=fold))
    whole, again, less = (gather_sounds(data, clips, config) for config in (CONFIG, CONFIG, part))
    left_out = sum(assign_folds(clips)[clip.index] == fold for clip in select_without_claps(clips, CONFIG))
    assert sum(map(len, whole.others.values())) == OTHERS
    assert sum(map(len, less.others.values())) == OTHERS - left_out < OTHERS
    assert set(whole.others) == {"alarm", "human:"}
    assert len(whole.claps["hands"]) == 2 * len(whole.takes["hands"]) == 6
    assert all(np.array_equal(a, b) for a, b in zip(whole.others["alarm"], again.others["alarm"], strict=True))


@pytest.mark.parametrize(
    ("claps", "said"), [({"people": {}}, "claps of claps.people"), ({"background": ()}, "backgrounds")]
)
def test_missing_sounds_are_an_error(claps: dict[str, Any], said: str, data: Path, clips: list[Clip]) -> None:
    """A recipe whose people or backgrounds are not in the manifest stops before any training."""
    with pytest.raises(DataError, match=f"no {said}"):
        gather_sounds(data, clips, dataclasses.replace(CONFIG, claps=dataclasses.replace(CONFIG.claps, **claps)))


@pytest.mark.data
@pytest.mark.parametrize(("group", "claps"), [("travisjayday", 2), ("vegard-num", 1)])
def test_real_takes_hold_what_they_are_known_to_hold(group: str, claps: int) -> None:
    """Of twenty real takes nearly all have their known number of claps, with an onset at each."""
    folder = Path(DATA or "")
    takes = [
        make_take(load_audio(folder / clip.file, RATE_HZ), clip.index)
        for clip in [clip for clip in read_manifest(folder) if clip.group == group][:20]
    ]
    heard = [sum(np.abs(np.array(cut_crops(sound)[0]) - b).min(initial=RATE_HZ) <= NEAR_SAMPLES for b in begins)
             for sound, begins in takes]  # fmt: skip
    assert sum(len(begins) == count == claps for (_, begins), count in zip(takes, heard, strict=True)) >= 18
