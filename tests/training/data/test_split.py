"""Parts have no common recording or person."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import DataError
from training.config import DataConfig
from training.data.manifest import Clip
from training.data.split import PARTS, group_families, require_parts, split


def clip(index: int, label: str = "siren", group: str = "", uploader: str = "", corpus: str = "corpus") -> Clip:
    return Clip(index, f"{index}.wav", label, corpus, group or f"group {index}", uploader, "", f"{index}.wav", 1.0)


@st.composite
def manifests(draw: st.DrawFn) -> list[Clip]:
    rows = draw(
        st.lists(
            st.tuples(
                st.sampled_from(["siren", "clap", "horn", ""]),
                st.sampled_from([f"group {n}" for n in range(12)]),
                st.sampled_from(["", "ann", "bob", "cem", "dia"]),
            ),
            max_size=60,
        )
    )
    return [clip(index, label, group, uploader) for index, (label, group, uploader) in enumerate(rows)]


@given(manifests(), st.integers(0, 99))
def test_no_group_and_no_uploader_is_in_two_parts(clips: list[Clip], seed: int) -> None:
    """For any manifest, a group or an uploader is in one part only."""
    parts = split(clips, DataConfig(test_share=0.3, validation_share=0.3), seed)
    homes: dict[str, set[str]] = {}
    for part, members in parts.items():
        for member in members:
            homes.setdefault(f"group {member.group}", set()).add(part)
            if member.uploader:
                homes.setdefault(f"uploader {member.uploader}", set()).add(part)
    assert all(len(home) == 1 for home in homes.values())


@given(manifests(), st.integers(0, 99))
def test_every_labelled_clip_is_in_one_part(clips: list[Clip], seed: int) -> None:
    """Nothing is lost or doubled; clips without a label take no part."""
    parts = split(clips, DataConfig(), seed)
    counted = Counter(member.index for members in parts.values() for member in members)
    assert counted == Counter(member.index for member in clips if member.label)


def test_the_order_of_the_manifest_does_not_matter() -> None:
    """A family's part follows from its name and the seed, not from where it stands in the file."""
    clips = [clip(index, group=f"group {index // 2}") for index in range(40)]
    assert split(clips, DataConfig(), 5) == split(clips[::-1], DataConfig(), 5)


def test_another_seed_divides_differently() -> None:
    """The seed decides which families are kept for the test."""
    clips = [clip(index) for index in range(60)]
    assert split(clips, DataConfig(), 1)["test"] != split(clips, DataConfig(), 2)["test"]


def test_shares_are_about_met() -> None:
    """Many small families fill the parts to their shares."""
    parts = split([clip(index) for index in range(200)], DataConfig(test_share=0.2, validation_share=0.1), 1)
    assert [len(parts[part]) for part in PARTS] == [140, 20, 40]


def test_one_big_recording_is_trained_on() -> None:
    """A family far larger than the test's share does not become the test."""
    big = [clip(index, group="big") for index in range(50)]
    parts = split([*big, *(clip(index) for index in range(50, 60))], DataConfig(), 1)
    assert all(member in parts["train"] for member in big)


def test_a_test_corpus_is_in_the_test_as_a_whole() -> None:
    """A test corpus is not trained on, nor are clips that share an uploader with it."""
    clips = [
        clip(index, corpus="kept" if index < 5 else "other", uploader="ann" if index in (4, 9) else "")
        for index in range(30)
    ]
    parts = split(clips, DataConfig(test_corpora=("kept",)), 1)
    assert {0, 1, 2, 3, 4, 9} <= {member.index for member in parts["test"]}


def test_excluded_names_take_no_part() -> None:
    """A clip excluded by its original name is in no part."""
    parts = split([clip(index) for index in range(10)], DataConfig(exclude_names=("3.wav",)), 1)
    assert 3 not in {member.index for members in parts.values() for member in members}


def test_families_join_through_others() -> None:
    """Groups that share an uploader, directly or through a third, are one family."""
    chain = [clip(0, group="a", uploader="x"), clip(1, group="a"), clip(2, group="b", uploader="x"), clip(3, group="c")]
    assert sorted(len(family) for family in group_families(chain)) == [1, 3]


@given(manifests(), st.integers(0, 99))
def test_a_class_with_recordings_enough_is_in_every_part(clips: list[Clip], seed: int) -> None:
    """With `spread`, three families of a class go to three parts, two to training and validation, one to training."""
    parts = split(clips, DataConfig(spread=True), seed)
    homes = {member.index: part for part, members in parts.items() for member in members}
    found: dict[str, list[str]] = {}
    for family in group_families([clip for clip in clips if clip.label]):
        label = Counter(member.label for member in family).most_common(1)[0][0]
        found.setdefault(label, []).append(homes[family[0].index])
    for label, there in found.items():
        assert set(there) == set(PARTS[: min(3, len(there))]), label


def test_the_smallest_recordings_are_spared_for_calibration_and_test() -> None:
    """Of three recordings in many parts the longest teaches; without `spread` all three would."""
    clips = [clip(index, group=group) for index, group in enumerate("aaaaaabbbbbbbcccccccccc")]
    assert {c.group for c in split(clips, DataConfig(), 1)["train"]} == {"a", "b", "c"}
    parts = split(clips, DataConfig(spread=True), 1)
    assert {part: {member.group for member in members} for part, members in parts.items()} == {
        "train": {"c"},
        "validation": {"a"},
        "test": {"b"},
    }


def test_a_corpus_that_is_only_tested_stays_so() -> None:
    """Spreading takes nothing out of it."""
    clips = [clip(index, corpus="kept" if index < 4 else "other") for index in range(6)]
    parts = split(clips, DataConfig(test_corpora=("kept",), spread=True), 1)
    assert {member.index for member in parts["test"]} >= {0, 1, 2, 3}
    assert parts["train"]
    assert parts["validation"]


def test_an_empty_part_is_named() -> None:
    """The error comes before anything is computed."""
    with pytest.raises(DataError, match="no recordings are left for the validation part"):
        require_parts({"train": [clip(0)], "validation": [], "test": [clip(1)]})
