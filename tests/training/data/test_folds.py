"""Folds: each clip is held out once, by a network that is not trained on it."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from edge.errors import DataError, UsageError
from tests.support.trials import clip
from training.config import Config, DataConfig, TrainConfig
from training.data.folds import Fold, choose_division, make_corpus_folds, make_group_folds, make_published_folds
from training.data.split import select_usable

if TYPE_CHECKING:
    from training.data.manifest import Clip

CONFIG = DataConfig(validation_share=0.2)


def held_out(folds: list[Fold]) -> Counter[int]:
    return Counter(one.index for fold in folds for one in fold.test)


def assert_apart(fold: Fold) -> None:
    """No recording or uploader is in two parts of a fold, and each part has clips."""
    parts = (fold.train, fold.validation, fold.test)
    groups = [{one.group for one in part} for part in parts]
    uploaders = [{one.uploader or one.group for one in part} for part in parts]
    for homes in (groups, uploaders):
        assert all(homes)
        assert not homes[0] & homes[1]
        assert not (homes[0] | homes[1]) & homes[2]


def recordings() -> list[Clip]:
    """Return 30 recordings of two clips each, of two classes in two corpora, some by one person."""
    rows = [clip(n, "siren" if n % 6 < 4 else "horn", f"c{n % 2}", group=f"g{n // 2}") for n in range(60)]
    return [dataclasses.replace(one, uploader="ann" if one.group in {"g3", "g14"} else "") for one in rows]


def test_group_folds_hold_every_clip_out_once() -> None:
    """Five folds of whole families, each with its share of each class."""
    folds = make_group_folds(recordings(), 5, CONFIG, 1)
    assert held_out(folds) == Counter(range(60))
    for fold in folds:
        assert_apart(fold)
        assert 6 <= sum(one.label == "siren" for one in fold.test) <= 10


def test_folds_repeat_by_their_seed() -> None:
    """The order of the manifest changes nothing, another seed does."""
    folds = make_group_folds(recordings(), 5, CONFIG, 1)
    assert make_group_folds(recordings()[::-1], 5, CONFIG, 1) == folds
    assert make_group_folds(recordings(), 5, CONFIG, 2) != folds


def test_more_folds_than_families_are_refused() -> None:
    """The error has both numbers."""
    with pytest.raises(UsageError, match="1 families of recordings do not make 9 folds"):
        make_group_folds([clip(0, "siren", group="g"), clip(1, "siren", group="g")], 9, CONFIG, 1)


def test_published_folds_are_kept() -> None:
    """The corpus's own folds are held out in turn, and no other corpus takes part."""
    mine = [dataclasses.replace(clip(n, "dog", "esc"), fold=str(1 + n % 3)) for n in range(30)]
    folds = make_published_folds([*mine, clip(30, "dog", "other")], "esc", CONFIG, 1)
    assert [{one.fold for one in fold.test} for fold in folds] == [{"1"}, {"2"}, {"3"}]
    for fold in folds:
        assert_apart(fold)
        assert len(fold.train) + len(fold.validation) + len(fold.test) == 30


def test_a_corpus_without_folds_is_refused() -> None:
    """The line names the corpus and the column."""
    with pytest.raises(DataError, match=r"esc: 1 clips in 0 published folds.*column 'fold'"):
        make_published_folds([clip(0, "dog", "esc")], "esc", CONFIG, 1)


def city() -> list[Clip]:
    """Return eight clips of an event in each of five corpora, two of which hold horns, and one corpus of rain."""
    rows = [("siren", "a"), ("siren", "b"), ("siren", "c"), ("horn", "c"), ("horn", "d"), ("rain", "e")]
    return [clip(8 * row + n, *rows[row]) for row in range(len(rows)) for n in range(8)]


def test_every_corpus_with_an_event_is_left_out_once() -> None:
    """Rain is always in training; horns keep their other corpus, sirens keep two."""
    folds = make_corpus_folds(city(), {"siren", "horn"}, 3, CONFIG, 1)
    assert Counter(corpus for fold in folds for corpus in {one.corpus for one in fold.test}) == Counter("abcd")
    for fold in folds:
        assert_apart(fold)
        assert not fold.corpora & {one.corpus for one in fold.test}
        assert sum(one.corpus in fold.corpora for one in (clip(0, "", name) for name in "abc")) >= 2
        assert fold.corpora & {"c", "d"}


def test_too_few_corpus_folds_are_refused() -> None:
    """Three corpora of sirens, each to be left out while two remain, need three folds."""
    with pytest.raises(UsageError, match="2 folds are too few"):
        make_corpus_folds(city(), {"siren"}, 2, CONFIG, 1)


def test_an_event_of_one_corpus_is_left_out_all_the_same() -> None:
    """No corpus is left to learn it from, which the figure will show."""
    clips = [clip(n, "siren", "a") for n in range(8)] + [clip(n, "rain", "b") for n in range(8, 30)]
    (fold,) = make_corpus_folds(clips, {"siren"}, 1, CONFIG, 1)
    assert {one.corpus for one in fold.test} == {"a"}


def test_a_person_in_two_corpora_is_not_learnt_from() -> None:
    """Who uploaded to a left-out corpus is in no other part, whichever corpus the rest of the clips is of."""
    clips = [dataclasses.replace(one, uploader="ann" if one.index in (0, 40) else "") for one in city()]
    for fold in make_corpus_folds(clips, {"siren", "horn"}, 3, CONFIG, 1):
        if 0 in {one.index for one in fold.test}:
            assert 40 not in {one.index for one in (*fold.train, *fold.validation, *fold.test)}


def test_a_fold_that_leaves_nothing_is_refused() -> None:
    """Leaving out the only corpus is an error before hours of training, not after."""
    with pytest.raises(DataError, match=r"1: without a: .*too few recordings are left"):
        make_corpus_folds([clip(n, "siren", "a") for n in range(8)], {"siren"}, 1, CONFIG, 1)


def test_a_division_names_its_teachers() -> None:
    """A teacher may know what a fold holds out, so the report names it; logits without a weight do not count."""
    alone, taught = DataConfig(logits="scores.npz"), DataConfig(teacher="classes.npz")
    assert choose_division(Config(alone), 3, None, None)[1].endswith("without its fold.")
    assert choose_division(Config(taught, train=TrainConfig(init="a.pt")), 3, None, None)[1].endswith(
        "classes.npz, a.pt."
    )


def test_no_event_nothing_to_leave_out() -> None:
    """A class that no recording holds is named."""
    with pytest.raises(DataError, match="no recording holds gong"):
        make_corpus_folds(city(), {"gong"}, 2, CONFIG, 1)


def test_excluded_clips_take_no_part() -> None:
    """Neither by name nor by corpus; clips that share a recording or person with a left-out corpus are left out too."""
    config = dataclasses.replace(CONFIG, exclude_names=("2.wav",), leave_out=("c0",))
    clips = [dataclasses.replace(one, corpus=f"c{one.index // 2 % 2}") for one in recordings()]
    left = {one.index for one in clips if one.corpus == "c1"} - {2}
    shared = {one.index for one in clips if one.uploader == "ann"}
    assert {one.index for one in select_usable(clips, config)} == left - shared
