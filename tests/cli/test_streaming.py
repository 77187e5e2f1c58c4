"""The commands with a bundle whose network is streaming."""

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
    """Return what runs a command with the streaming bundle in use: its exit code, output and errors."""
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
    """It is verified with its golden recording, and its kind is said."""
    code, out, _ = tocsin("model", "install", tmp_path / "bundle")
    assert (code, "installed tiny-streaming@1.0" in out) == (0, True)
    assert "streaming, state of 64 numbers" in tocsin("model", "info", "tiny-streaming")[1]
    assert "golden recording reproduced" in tocsin("model", "verify", "tiny-streaming")[1]
    checks = json.loads(tocsin("doctor", "--json")[1])["checks"]
    assert next(c["found"] for c in checks if c["name"] == "model").startswith("tiny-streaming@1.0, streaming network")


def test_a_manifest_of_another_network_is_said_in_a_line(tocsin: Callable[..., Any], tmp_path: Path) -> None:
    """It is bad input to who installs it."""
    change_manifest(tmp_path / "bundle", network="window")
    code, out, err = tocsin("model", "install", tmp_path / "bundle")
    assert (code, out, err.count("\n")) == (65, "", 1)
    assert "a window network has log_mel, logits, but model.onnx has log_mel, state, logits, state_out" in err


def test_clip_and_replay_hear_the_same_at_every_speed_and_hop(tocsin: Callable[..., Any], hum: Path) -> None:
    """Blocks of 4 s and of an eighth give the same scores, and a hop that is no multiple of the step is rounded up."""
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


def test_bench_tells_the_cost_of_a_second(tocsin: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight decisions of one stream, the network alone."""
    monkeypatch.setattr(bench, "_FIGURE_S", 0.05)
    figures = json.loads(tocsin("bench", "--json")[1])
    assert figures["network"] == "streaming"
    assert figures["ms_per_audio_second"] == pytest.approx(8 * figures["inference"][0]["ms_per_window"], rel=1e-2)
