"""The clap network's export: folding keeps its results, and the card names the held-out recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edge.claps.crop import CLAP_FRONT_END
from export.__main__ import main
from export.bundle.about import read_about
from export.bundle.clapcard import render_clap_card
from export.graph.fold import fold
from export.graph.onnx import run_onnx, to_onnx
from export.graph.parity import compare_networks
from training.checkpoint import Checkpoint
from training.config import load_config
from training.models import build_model

ROOT = Path(__file__).parents[3]
CONFIG = load_config(ROOT / "training" / "recipes" / "claps.toml")
TAKEN = {"takes": 1, "claps": 2, "onsets": 2, "confirmed": 1, "recall": 0.5}


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    """Return the recipe's network with norms that have seen data."""
    torch.manual_seed(2)
    model = build_model(CONFIG.model, CLAP_FRONT_END.n_mels, 1)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 1e-4, 2.0)  # eps counts beside 1e-4
    return Checkpoint(model.eval(), CONFIG, CLAP_FRONT_END, ("clap",), 9)


def test_folding_and_onnx_keep_the_probabilities(checkpoint: Checkpoint) -> None:
    """Both stay within the limit of the trained network, for one crop as for many."""
    shape = (6, CLAP_FRONT_END.window_frames, CLAP_FRONT_END.n_mels)
    crops = np.random.default_rng(1).uniform(CLAP_FRONT_END.silence, 2.0, shape).astype(np.float32)
    network = to_onnx(fold(checkpoint.model), CLAP_FRONT_END)
    compare_networks(checkpoint.model, network, crops).check()
    assert np.allclose(run_onnx(network, crops[:1]), run_onnx(network, crops)[:1], atol=1e-5)


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ({}, "No recordings without claps were left out"),
        (
            {"dog": {"recordings": 3, "hours": 0.5, "onsets": 8, "taken": 1, "share": 0.125, "per_hour": 2.0}},
            "| dog | 3 | 0.5 | 8 | 1 | 0.125 | 2.0 |",
        ),
    ],
    ids=["no fold", "a fold"],
)
def test_the_card_names_the_held_out_recordings(others: dict[str, object], said: str, checkpoint: Checkpoint) -> None:
    """With a fold the card lists its classes, without one it has a sentence instead."""
    about = read_about(ROOT / "export" / "about" / "claps.toml", ROOT)
    figures = {"on": 0.5, "fold": 0, "claps": {"n86": TAKEN}, "others": others}
    texts = {"id": about.id, "version": about.version, "training_data": about.training_data, "licence": about.licence}
    card = render_clap_card({**texts, "created": "2026-01-02", "measured": {"clap": figures}}, checkpoint, about.notes)
    assert said in card
    assert "| n86 | 1 | 2 | 2 | 1 | 0.5 |" in card
    assert "looks at 328 ms" in card.replace("\n", " ")


def test_a_bundle_without_data_is_a_usage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Figures need recordings, and the message names the option for the folder."""
    monkeypatch.delenv("TOCSIN_DATA", raising=False)
    assert main(["claps", str(tmp_path / "x.pt"), "--about", "a.toml", "--out", str(tmp_path)]) == 64
    assert "--data or TOCSIN_DATA" in capsys.readouterr().err
