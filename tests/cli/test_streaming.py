"""The commands with a streaming network."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile as sf

from edge import cli
from edge.cli import bench
from tests.support.bundles import change_manifest
from tests.support.streaming import write_streaming_bundle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RATE = 16_000


@pytest.fixture
def tocsin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Return a function that runs a command with a streaming bundle."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("TOCSIN_MODEL__BUNDLE", str(write_streaming_bundle(tmp_path / "bundle")))
    monkeypatch.setenv("TOCSIN_CLAPS__ENABLED", "false")

    def run(*arguments: object) -> tuple[int, str, str]:
        code = cli.main([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def hum(tmp_path: Path) -> Path:
    """Return six seconds of hiss with loud lows from 2.5 to 4 s."""
    rng, t = np.random.default_rng(1), np.arange(round(1.5 * RATE)) / RATE
    samples = rng.normal(0, 1e-3, 6 * RATE)
    samples[round(2.5 * RATE) : 4 * RATE] += 0.05 * sum(np.sin(2 * np.pi * f * t) for f in range(250, 1400, 75))
    path = tmp_path / "hum.wav"
    sf.write(path, samples, RATE)
    return path


def test_a_streaming_bundle_is_taken_in_and_shown(tocsin: Callable[..., Any], tmp_path: Path) -> None:
    """The bundle is installed and verified, and the output names its kind."""
    code, out, _ = tocsin("model", "install", tmp_path / "bundle")
    assert (code, "installed tiny-streaming@1.0" in out) == (0, True)
    assert "streaming, state of 64 numbers" in tocsin("model", "info", "tiny-streaming")[1]
    assert "golden recording reproduced" in tocsin("model", "verify", "tiny-streaming")[1]
    checks = json.loads(tocsin("doctor", "--json")[1])["checks"]
    assert next(c["found"] for c in checks if c["name"] == "model").startswith("tiny-streaming@1.0, streaming network")


def test_a_manifest_of_another_network_is_refused_in_one_line(tocsin: Callable[..., Any], tmp_path: Path) -> None:
    """A bundle with the wrong manifest is bad input."""
    change_manifest(tmp_path / "bundle", network="window")
    code, out, err = tocsin("model", "install", tmp_path / "bundle")
    assert (code, out, err.count("\n")) == (65, "", 1)
    assert "a window network has log_mel, logits, but model.onnx has log_mel, state, logits, state_out" in err


def test_classify_and_replay_agree_at_every_speed_and_hop(tocsin: Callable[..., Any], hum: Path) -> None:
    """Blocks of any size give the same scores; a hop is rounded up to a multiple of the step."""
    spans = []
    for speed in ("max", "50"):
        events = [json.loads(line)["data"] for line in tocsin("replay", hum, "--speed", speed)[1].splitlines()]
        spans.append([(e["label"], e["phase"], e["onset_s"], e["end_s"], round(e["peak_score"], 4)) for e in events])
    assert [span[:2] for span in spans[0]] == [("siren", "start"), ("siren", "end")]
    assert spans[0] == spans[1]
    clip, hops = (json.loads(tocsin("classify", "--json", *more, hum)[1]) for more in ((), ("--hop", "0.3")))
    assert [(e["label"], e["onset_s"], e["offset_s"]) for e in clip["events"]] == [spans[0][0][:1] + spans[0][1][2:4]]
    assert [(e["label"], e["onset_s"]) for e in hops["events"]] == [("siren", pytest.approx(2.5, abs=1.0))]
    assert hops["labels"][0]["label"] == clip["labels"][0]["label"] == "siren"


def test_bench_measures_the_cost_of_a_second(tocsin: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A second costs eight decisions of the network."""
    monkeypatch.setattr(bench, "_FIGURE_S", 0.05)
    figures = json.loads(tocsin("bench", "--json")[1])
    assert figures["network"] == "streaming"
    assert figures["ms_per_audio_second"] == pytest.approx(8 * figures["inference"][0]["ms_per_window"], rel=1e-2)
