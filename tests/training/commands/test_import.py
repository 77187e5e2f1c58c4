"""The command `python -m training import`."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest
import soundfile

import edge
from edge.errors import ConfigError, UsageError
from edge.inference.bundle import read_bundle
from training.commands.import_ import add_arguments, run
from training.data.imports.classes import read_classes
from training.data.manifest import read_manifest


def run_import(*arguments: object) -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    run(parser.parse_args([str(argument) for argument in arguments]))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a folder with two labels, one recording each."""
    for label in ("door", "tap"):
        (tmp_path / "home" / label).mkdir(parents=True)
        soundfile.write(tmp_path / "home" / label / "1.wav", np.full(16_000, 0.1), 16_000)
    return tmp_path / "home"


def test_a_folder_in_one_line(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Labels are the folders' names, the corpus has the folder's name, and a table sums up the import."""
    run_import("folder", source, tmp_path / "out")
    assert [(clip.label, clip.corpus) for clip in read_manifest(tmp_path / "out")] == [
        ("door", "home"),
        ("tap", "home"),
    ]
    assert "| door | 1 | 1 | 0.0 |" in capsys.readouterr().out


def test_a_mapping_and_a_name(source: Path, tmp_path: Path) -> None:
    """The file selects classes and gives their names."""
    (tmp_path / "map.toml").write_text('water = ["Tap"]\n', encoding="utf-8")
    run_import("folder", source, tmp_path / "out", "--map", tmp_path / "map.toml", "--corpus", "flat 3")
    assert [(clip.label, clip.corpus) for clip in read_manifest(tmp_path / "out")] == [("water", "flat 3")]


def test_what_was_imported_is_not_imported_again(source: Path) -> None:
    """The sounds must not lie in the folder they come from."""
    with pytest.raises(UsageError, match="import into a folder elsewhere"):
        run_import("folder", source, source / "out")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("water = [", "not valid TOML"),
        ('water = "tap"', "water: expected a list"),
        ('a = ["x"]\nb = ["X"]', "stands under"),
    ],
)
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str, said: str) -> None:
    """The message names the error."""
    (tmp_path / "map.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=said):
        read_classes(tmp_path / "map.toml")


def test_the_mapping_that_is_there_covers_the_public_corpora() -> None:
    """Every class of UrbanSound8K has a class of the shipped bundle, and nothing has another."""
    new_of = read_classes(Path(__file__).parents[3] / "training" / "recipes" / "classes" / "city.toml")
    urban = "air_conditioner car_horn children_playing dog_bark drilling engine_idling gun_shot jackhammer siren"
    assert set(f"{urban} street_music".split()) <= set(new_of)
    assert set(new_of.values()) < set(read_bundle(Path(edge.__file__).parent / "models" / "city").labels)
