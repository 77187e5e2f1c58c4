"""Recordings become a checkpoint, a bundle, and scores on a device."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from edge.inference.bundle import read_bundle
from edge.inference.onnx import OnnxClassifier
from export.__main__ import main as export_main
from export.bundle.golden import compute_golden_features
from tests.support.recordings import LABELS, copy_recordings, made_up
from training.__main__ import main as training_main
from training.checkpoint import load_checkpoint

DATA = os.environ.get("TOCSIN_DATA")
RECIPE = Path(__file__).parents[2] / "support" / "small.toml"
ABOUT = 'id = "small"\nversion = "1"\ntraining_data = "a few clips"\nlicence = "none"\nnotes = "for a test"\n'


@pytest.fixture(
    scope="module",
    params=[
        "made up",
        pytest.param("real", marks=pytest.mark.data),
    ],
)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train on a small folder of recordings; return a folder with `data`, `out/last.pt`, `about.toml` and `bundle`."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "data").mkdir()
    if request.param == "real":
        copy_recordings(Path(DATA or ""), folder / "data")
    else:
        made_up(folder / "data")
    (folder / "about.toml").write_text(ABOUT, encoding="utf-8")
    places = ["--data", str(folder / "data"), "--cache", str(folder / "cache")]
    assert training_main(["train", "--config", str(RECIPE), "--out", str(folder / "out"), *places]) == 0
    more = ["--about", str(folder / "about.toml"), "--out", str(folder / "bundle")]
    assert export_main(["bundle", str(folder / "out" / "last.pt"), *more, *places]) == 0
    return folder


def test_the_checkpoint_rebuilds_the_network(run: Path) -> None:
    """The file alone has the architecture, the front end, the labels and the step."""
    checkpoint = load_checkpoint(run / "out" / "last.pt")
    assert checkpoint.labels == LABELS
    assert checkpoint.step == checkpoint.config.train.steps == 60
    assert checkpoint.model(torch.zeros(3, checkpoint.params.window_frames, checkpoint.params.n_mels)).shape == (3, 4)


def test_the_bundle_runs_on_a_device(run: Path) -> None:
    """The service's own reader takes the bundle, and its golden replay passes."""
    bundle = read_bundle(run / "bundle")
    _, windows = compute_golden_features(bundle.golden.waveform, bundle.params)
    chances = OnnxClassifier(bundle).compute_probabilities(windows)
    assert bundle.labels == LABELS
    assert chances.shape == (len(windows), 4)
    assert ((chances >= 0) & (chances <= 1)).all()
    assert len(bundle.golden.waveform) >= 4 * bundle.params.sample_rate_hz


def test_the_bundle_has_the_figures(run: Path) -> None:
    """Manifest and card carry thresholds and figures of every label."""
    bundle, card = read_bundle(run / "bundle"), (run / "bundle" / "MODEL_CARD.md").read_text("utf-8")
    for label in LABELS:
        assert 0 < bundle.thresholds[label]["off"] < bundle.thresholds[label]["on"] < 1
        assert bundle.manifest["measured"][label]["clips"] >= 1
        assert f"| {label} |" in card
    assert "a few clips" in card


def test_verify_puts_the_forms_side_by_side(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The checkpoint and its bundle agree, and the difference is printed."""
    assert export_main(["verify", str(run / "out" / "last.pt"), str(run / "bundle")]) == 0
    assert "largest change of a probability: folded" in capsys.readouterr().out


def test_evaluate_prints_and_writes_the_figures(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A table is printed, the same is written as JSON, and known recordings score better than chance."""
    places = ["--data", str(run / "data"), "--cache", str(run / "cache"), "--json", str(run / "figures.json")]
    assert training_main(["evaluate", str(run / "out" / "last.pt"), *places]) == 0
    figures = json.loads((run / "figures.json").read_text("utf-8"))
    assert "| siren |" in capsys.readouterr().out
    assert np.mean([figures[label]["average_precision"] for label in LABELS]) > 0.5


def test_held_out_clips_are_of_the_test_part(run: Path) -> None:
    """Each label lists files of the manifest with a plausible onset."""
    places = ["--data", str(run / "data"), "--cache", str(run / "cache"), "--most", "1"]
    assert training_main(["heldout", str(run / "out" / "last.pt"), str(run / "heldout.json"), *places]) == 0
    for label, clips in json.loads((run / "heldout.json").read_text("utf-8")).items():
        assert [(run / "data" / clip["file"]).exists() for clip in clips] == [True], label
        assert clips[0]["onset_sample"] >= 0


def test_a_missing_folder_is_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No data, no traceback: the status of sysexits and the path."""
    arguments = ["train", "--config", str(RECIPE), "--data", str(tmp_path / "none"), "--out", str(tmp_path)]
    assert training_main(arguments) == 66
    assert str(tmp_path / "none") in capsys.readouterr().err
