"""The manifest, several labels a clip, and classes by other names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from edge.errors import ConfigError, DataError
from training.config import DataConfig
from training.data.fit import fit_to_labels
from training.data.manifest import Clip, collect_labels, map_classes, read_manifest
from training.data.targets import build_label_matrix

if TYPE_CHECKING:
    from pathlib import Path

HEADER = "file,class,corpus,group,uploader,licence,name,duration_s"


def manifest(folder: Path, *rows: str, header: str = HEADER) -> Path:
    """Write a manifest of these lines; return its folder."""
    (folder / "manifest.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return folder


def clip(index: int, *labels: str) -> Clip:
    """Return a clip with these labels."""
    label, *others = labels or ("",)
    return Clip(index, f"{index}.wav", label, "c", f"g{index}", "", "", "", 1.0, others=tuple(others))


def test_a_clip_may_have_several_labels(tmp_path: Path) -> None:
    """Labels are parted by semicolons; the first is the clip's main one, and a repeated one counts once."""
    one, two, none = read_manifest(manifest(tmp_path, "a,door;voice; door,c,g,,,,1", "b,voice,c,g,,,,1", "c,,c,g,,,,1"))
    assert (one.label, one.labels) == ("door", ("door", "voice"))
    assert two.labels == ("voice",)
    assert none.labels == ()
    assert collect_labels([one, two, none]) == ("door", "voice")


def test_fold_and_fine_are_read_where_they_are(tmp_path: Path) -> None:
    """Columns that only some manifests have are empty elsewhere."""
    with_them = read_manifest(manifest(tmp_path, "a,x,c,g,,,,1,3,deep x", header=f"{HEADER},fold,fine"))
    assert (with_them[0].fold, with_them[0].fine) == ("3", "deep x")
    without = read_manifest(manifest(tmp_path, "a,x,c,g,,,,1"))
    assert (without[0].fold, without[0].fine) == ("", "")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("a.wav,x,c,,,,,1", r"clip 2 \(a\.wav\): group is empty"),
        (",x,c,g,,,,1", "clip 2 .*file is empty"),
        ("a.wav,x,c,g,,,,long", "duration_s is 'long', not a number"),
        ("a.wav,x", "group is empty"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(tmp_path: Path, row: str, said: str) -> None:
    """An empty group would join unrelated recordings; the message names the clip."""
    with pytest.raises(DataError, match=said):
        read_manifest(manifest(tmp_path, "ok.wav,x,c,g,,,,1", row))


def test_classes_are_joined_and_dropped() -> None:
    """Several classes become one, once; a clip of another class keeps its row and takes no part."""
    clips = [clip(0, "police", "ambulance"), clip(1, "car", "police"), clip(2, "bird"), clip(3)]
    mapped = map_classes(clips, {"siren": ["police", "ambulance"], "traffic": ["car"]})
    assert [each.labels for each in mapped] == [("siren",), ("traffic", "siren"), (), ()]
    assert [each.index for each in mapped] == [0, 1, 2, 3]
    assert map_classes(clips, {}) == clips


def test_a_star_takes_the_clips_that_nothing_else_names() -> None:
    """A clip with a named class is not one of the rest; a clip of unknown class stays unknown."""
    mapped = map_classes([clip(0, "door", "voice"), clip(1, "voice"), clip(2)], {"door": ["door"], "other": ["*"]})
    assert [each.labels for each in mapped] == [("door",), ("other",), ()]


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        ({"siren": ["polise"]}, "have no polise; did you mean 'police'"),
        ({"a": ["bird"], "b": ["bird"]}, "bird stands under a and under b"),
        ({"a;b": ["bird"]}, "'a;b' cannot be the name"),
    ],
)
def test_a_wrong_mapping_is_refused(mapping: dict[str, list[str]], said: str) -> None:
    """The message has the misspelt class and the known ones."""
    with pytest.raises(ConfigError, match=said):
        map_classes([clip(0, "bird"), clip(1, "police")], mapping)


def test_the_matrix_has_every_label_of_a_clip() -> None:
    """One column a label, in their order; a clip without labels is a row without any."""
    held = build_label_matrix([clip(0, "b", "a"), clip(1, "c"), clip(2)], ("a", "b", "c"))
    assert held.tolist() == [[True, True, False], [False, False, True], [False, False, False]]


def test_default_settings_fit_any_recordings() -> None:
    """Ambience is the known ambience classes, else all; without a background silence has no class."""
    street = fit_to_labels(DataConfig(background=(), quiet_label=""), ("background", "horn", "traffic"))
    assert street.background == ("background", "traffic")
    assert street.quiet_label == "background"
    home = fit_to_labels(DataConfig(background=(), quiet_label=""), ("door", "tap"))
    assert home.background == ("door", "tap")
    assert not home.quiet_label
    assert fit_to_labels(home, ("door", "tap")) == home


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("impulsive", {"dor": 1.0}),
        ("class_weights", {"dor": 1.0}),
        ("background", ("dor",)),
        ("quiet_label", "dor"),
        ("made", {"dor": 3, "gong": 0}),
    ],
)
def test_settings_for_classes_that_are_not_there_are_refused(key: str, value: Any) -> None:
    """The message has the setting, the class, and those there are."""
    values: dict[str, Any] = {"background": (), "quiet_label": "", key: value}
    with pytest.raises(ConfigError, match=f"data.{key}: the recordings have no dor; did you mean 'door'"):
        fit_to_labels(DataConfig(**values), ("door", "tap"))


@pytest.mark.parametrize("content", [b"file,class\n\xff,x\n", b"file,class,corpus\n"])
def test_an_invalid_manifest_is_named(tmp_path: Path, content: bytes) -> None:
    """Bytes that are no text, and a heading without the columns, are faults of the file."""
    (tmp_path / "manifest.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"manifest\.csv: (the file is not CSV|column)"):
        read_manifest(tmp_path)


def test_a_manifest_without_its_columns_is_refused(tmp_path: Path) -> None:
    """The message names the missing columns."""
    (tmp_path / "manifest.csv").write_text("file,class\na.wav,clap\n", encoding="utf-8")
    with pytest.raises(DataError, match="corpus"):
        read_manifest(tmp_path)
