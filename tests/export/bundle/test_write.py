"""Bundles of both kinds: their content, and the defaults of their text."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from edge.errors import DataError
from edge.inference.bundle import read_bundle
from export.bundle.about import About
from export.bundle.bundle import write_bundle
from export.bundle.golden import arrange_features
from export.bundle.proof import read_proof
from export.graph.onnx import run_onnx, run_torch
from tests.support.networks import EVALUATION, PARAMS, make_small_checkpoint
from tests.support.recordings import LABELS

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def golden(tmp_path: Path) -> Path:
    """Return a recording of two seconds."""
    noise = np.random.default_rng(2).normal(0, 0.1, 2 * PARAMS.sample_rate_hz)
    soundfile.write(tmp_path / "noise.wav", noise, PARAMS.sample_rate_hz)
    return tmp_path / "noise.wav"


@pytest.mark.parametrize("kind", ["window", "streaming"])
def test_a_bundle_has_its_kind_in_the_manifest(kind: str, golden: Path, tmp_path: Path) -> None:
    """The manifest names the kind, and the golden logits are every decision of the recording from its start."""
    checkpoint = make_small_checkpoint(kind)
    write_bundle(checkpoint, EVALUATION, About("mine", golden), tmp_path / "out").check()
    bundle = read_bundle(tmp_path / "out")
    assert bundle.manifest["network"] == kind
    assert bundle.manifest.get("state_size") == getattr(checkpoint.model, "state_size", None)
    features = arrange_features(bundle.golden.mel, PARAMS, streaming=kind == "streaming")
    decisions = len(bundle.golden.mel) // 8 if kind == "streaming" else (len(bundle.golden.mel) - 96) // 8 + 1
    assert bundle.golden.logits.shape == (decisions, len(LABELS))
    assert np.allclose(bundle.golden.logits, run_torch(checkpoint.model, features), atol=1e-3)
    assert np.array_equal(bundle.golden.logits, run_onnx(bundle.model_path, features))


@pytest.mark.parametrize(("kind", "said"), [("window", "listens to windows of 1.52 s"), ("streaming", "as the sound")])
def test_a_bundle_needs_no_text_about_it(kind: str, said: str, golden: Path, tmp_path: Path) -> None:
    """A bundle needs no text about it; its card calls the facts unstated and has the commands to make it."""
    write_bundle(
        make_small_checkpoint(kind), EVALUATION, About("own", golden), tmp_path / "out"
    )  # as a recipe is called
    card = (tmp_path / "out" / "MODEL_CARD.md").read_text("utf-8")
    assert said in card
    assert "Terms: unstated" in card
    assert "--id own" in card
    assert "export/about" not in card
    assert json.loads((tmp_path / "out" / "manifest.json").read_text("utf-8"))["licence"].startswith("unstated")


@pytest.mark.parametrize("kept", [(), ("a corpus",)])
def test_a_card_describes_the_division_of_recordings(kept: tuple[str, ...], golden: Path, tmp_path: Path) -> None:
    """Whole corpora are named only if the recipe has test corpora."""
    trained = make_small_checkpoint("window")
    settings = dataclasses.replace(trained.config.data, test_corpora=kept)
    checkpoint = dataclasses.replace(trained, config=dataclasses.replace(trained.config, data=settings))
    write_bundle(checkpoint, EVALUATION, About("mine", golden), tmp_path / "out")
    card = (tmp_path / "out" / "MODEL_CARD.md").read_text("utf-8")
    assert ("some corpora are kept for this count as a whole" in card) == bool(kept)


def test_proof_becomes_tables(tmp_path: Path) -> None:
    """Sections come in their order, with a line for each row; None is a dash."""
    table = {"title": "Folds", "text": "Five.", "columns": ["fold", "AP"], "rows": [[1, 0.9], [2, None]]}
    (tmp_path / "proof.json").write_text(json.dumps({"sections": [table, {"title": "Noise"}]}), encoding="utf-8")
    markdown = read_proof(tmp_path / "proof.json")
    assert markdown == "## Folds\n\nFive.\n\n| fold | AP |\n| --- | --- |\n| 1 | 0.9 |\n| 2 | - |\n\n## Noise"


@pytest.mark.parametrize(
    "text",
    ["no JSON", "[]", "{}", '{"sections": [{"text": "x"}]}', '{"sections": [{"title": "x", "rows": [[1]]}]}'],
)
def test_other_files_are_no_proof(text: str, tmp_path: Path) -> None:
    """The message names the file and the expected content."""
    (tmp_path / "proof.json").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"proof\.json: the file does not hold measured tables"):
        read_proof(tmp_path / "proof.json")


def test_short_sounds_follow_silence() -> None:
    """Less than a window still gives a decision, with silence before it; longer clips give all whole steps."""
    mel = np.zeros((13, PARAMS.n_mels), np.float32)
    short = arrange_features(mel, PARAMS, streaming=True)
    assert short.shape == (1, 16, PARAMS.n_mels)
    assert np.allclose(short[0, :3], PARAMS.silence)
    assert np.array_equal(short[0, 3:], mel)
    assert arrange_features(mel, PARAMS, streaming=False).shape == (1, 96, PARAMS.n_mels)
    assert arrange_features(np.zeros((101, 64), np.float32), PARAMS, streaming=True).shape == (1, 96, 64)
