"""Messages of a recording, independent of the blocks in which it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile as sf

from edge.inference.bundle import read_bundle
from edge.inference.library import Library
from edge.inference.onnx import OnnxClassifier
from edge.pipeline import replay as module
from edge.pipeline.build import load_clap_network
from edge.pipeline.replay import replay
from edge.settings.tree import Settings
from tests.support.bundles import PARAMS, write_bundle
from tests.support.claps import row_of_claps

if TYPE_CHECKING:
    from pathlib import Path

RATE = PARAMS.sample_rate_hz


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Return double claps and bursts, which are gunshots to the tiny network."""
    rng = np.random.default_rng(2)
    sound = row_of_claps(rng, (1.0, 1.3, 5.0, 5.35), 7.0)
    for begin_s in (2.2, 6.15):
        burst = np.diff(rng.normal(0, 0.5, RATE // 4), n=3, prepend=[0.0] * 3) / 4
        sound[round(begin_s * RATE) : round(begin_s * RATE) + burst.size] += burst.astype(np.float32)
    path = tmp_path / "claps.wav"
    sf.write(path, sound, RATE, subtype="FLOAT")
    return path


def test_order_and_numbers_do_not_depend_on_the_blocks(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Patterns and events are in the order of their decisions, not of their blocks."""
    classifier = OnnxClassifier(read_bundle(write_bundle(tmp_path / "tiny")))
    network = load_clap_network(Settings(), Library(tmp_path))
    assert network is not None

    def list_messages(block_s: float) -> list[tuple[Any, ...]]:
        monkeypatch.setattr(module, "_FAST_BLOCK_S", block_s)
        messages = replay(recording, classifier, Settings(), node="n", clap_network=network)
        return [(m["sequence"], m["type"], m["subject"], m["data"]["onset_s"], m["data"]["end_s"]) for m in messages]

    live = list_messages(0.125)
    expected = ["double", "gunshot", "sound", "gunshot", "double", "gunshot", "gunshot"]
    assert [subject for _, _, subject, *_ in live] == expected
    assert list_messages(4.0) == live
    assert list_messages(0.031) == live
