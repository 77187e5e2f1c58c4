"""A stranger's folder becomes a bundle with its labels, by the commands that the README gives."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge.inference.bundle import read_bundle
from edge.inference.onnx import OnnxClassifier
from export.__main__ import main as export_main
from training.__main__ import main as training_main

RECIPE = Path(__file__).parents[3] / "training" / "recipes" / "own.toml"
RATE_HZ = 22_050
FILES = {"Door bell": 3, "tap": 4, "keys": 2, "drill": 1}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Import, train briefly and export recordings of new labels; return the folder."""
    folder = tmp_path_factory.mktemp("own")
    rng, t = np.random.default_rng(1), np.arange(RATE_HZ) / RATE_HZ
    for pitch, (label, count) in enumerate(FILES.items()):
        (folder / "home" / label).mkdir(parents=True)
        for number in range(count):
            sound = 0.2 * np.sin(2 * np.pi * 300 * 2**pitch * t) + rng.normal(0, 0.01, RATE_HZ)
            soundfile.write(folder / "home" / label / f"{number}.wav", sound, RATE_HZ)
    places = ["--data", str(folder / "data"), "--cache", str(folder / "cache")]
    short = ["--set", "train.steps=6", "--set", "train.batch=8", "--set", "data.impulsive.keys=1.0"]
    assert training_main(["import", "folder", str(folder / "home"), str(folder / "data")]) == 0
    assert training_main(["train", "--config", str(RECIPE), *short, "--out", str(folder / "run"), *places]) == 0
    assert training_main(["evaluate", str(folder / "run" / "last.pt"), *places, "--json", str(folder / "f.json")]) == 0
    checkpoint, out = str(folder / "run" / "last.pt"), str(folder / "bundle")
    assert export_main(["bundle", checkpoint, "--id", "home", "--out", out, *places]) == 0
    return folder


def test_the_bundle_has_the_labels_of_the_folder(run: Path) -> None:
    """The service's own reader accepts it, though no label is one of the product's and none is a background."""
    bundle = read_bundle(run / "bundle")
    OnnxClassifier(bundle)
    assert bundle.id == "home"
    assert bundle.labels == ("door_bell", "drill", "keys", "tap")


def test_labels_of_few_recordings_are_learnt_if_not_measured(run: Path) -> None:
    """Three recordings go to three parts; two are not measured, and one is only trained on."""
    figures = json.loads((run / "f.json").read_text("utf-8"))
    assert {label: figures[label]["clips"] for label in figures} == {"door_bell": 1, "tap": 1, "keys": 0, "drill": 0}
    assert figures["keys"]["average_precision"] is None
    assert set(read_bundle(run / "bundle").thresholds) == set(figures)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("data.impulsive.kees=1.0", "have no kees; did you mean 'keys'"),
        ("data.quiet_label=silence", "have no silence"),
        ("data.classes.door=['dor']", "have no dor"),
    ],
)
def test_a_setting_for_another_label_is_one_clear_line(
    run: Path, setting: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 78, and the labels there are."""
    places = ["--data", str(run / "data"), "--cache", str(run / "cache"), "--out", str(run / "never")]
    assert training_main(["train", "--config", str(RECIPE), "--set", setting, *places]) == 78
    assert said in capsys.readouterr().err


def test_too_few_recordings_for_all_parts_are_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is trained that could not be calibrated and measured."""
    (tmp_path / "home" / "door").mkdir(parents=True)
    soundfile.write(tmp_path / "home" / "door" / "1.wav", np.full(RATE_HZ, 0.1), RATE_HZ)
    places = ["--data", str(tmp_path / "data"), "--cache", str(tmp_path / "cache"), "--out", str(tmp_path / "run")]
    assert training_main(["import", "folder", str(tmp_path / "home"), str(tmp_path / "data")]) == 0
    assert training_main(["train", "--config", str(RECIPE), *places]) == 65
    assert "give each class three recordings" in capsys.readouterr().err


def test_importing_nothing_ends_with_the_status_of_bad_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """65 for a folder without a usable recording, 66 for one that is not there; no data folder is asked for."""
    (tmp_path / "home" / "door").mkdir(parents=True)
    soundfile.write(tmp_path / "home" / "door" / "1.wav", np.zeros(RATE_HZ), RATE_HZ)
    assert training_main(["import", "folder", str(tmp_path / "home"), str(tmp_path / "data")]) == 65
    assert training_main(["import", "folder", str(tmp_path / "none"), str(tmp_path / "data")]) == 66
    assert "Traceback" not in capsys.readouterr().err
