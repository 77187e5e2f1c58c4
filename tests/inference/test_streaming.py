"""Streaming networks: every frame is processed once, and every stream has its own state."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest

from edge.errors import BundleError
from edge.frontend.mel import log_mel
from edge.inference.bundle import read_bundle
from edge.inference.onnx import MAX_DECISIONS, OnnxClassifier, make_profile
from edge.pipeline.pipeline import Pipeline
from edge.types import AudioBlock, MelWindow, NetworkState
from tests.support.bundles import LABELS, PARAMS, change_manifest, rewrite_manifest, write_bundle
from tests.support.rules import make_rule
from tests.support.streaming import STATE_SIZE, STEP, write_streaming_bundle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

RATE, WINDOW = PARAMS.sample_rate_hz, PARAMS.window_frames
RULES = (make_rule("gunshot", on=0.6, off=0.3, min_windows=1, smoothing_s=0.0),)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> OnnxClassifier:
    return OnnxClassifier(read_bundle(write_streaming_bundle(tmp_path_factory.mktemp("bundle") / "streaming")))


def make_pipeline() -> Pipeline:
    return Pipeline(PARAMS, LABELS, RULES, lambda: "event", update_s=2.0)


def make_noise(seconds: float, seed: int = 0) -> NDArray[np.float32]:
    """Return noise whose level changes every eighth of a second."""
    rng = np.random.default_rng(seed)
    samples = rng.normal(0, 0.5, round(seconds * RATE))
    return (samples * np.repeat(rng.random(round(seconds * 8)) ** 3, RATE // 8)).astype(np.float32)


def make_windows(samples: NDArray[np.float32], line: Pipeline | None = None, start: int = 0) -> list[MelWindow]:
    return (line or make_pipeline()).feed(AudioBlock(samples, start))


def score_whole(classifier: OnnxClassifier, mel: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the probabilities of a stream whose first window is filled with silence."""
    padded = np.concatenate((np.full((WINDOW - STEP, PARAMS.n_mels), PARAMS.silence, np.float32), mel))[np.newaxis]
    decisions, _ = classifier.advance(padded, np.zeros((1, STATE_SIZE), np.float32))
    return decisions[0, WINDOW // STEP - 1 :]


@pytest.mark.parametrize("at_once", [1, 3, 500])
def test_pieces_and_the_whole_give_the_same_scores(classifier: OnnxClassifier, at_once: int) -> None:
    """Every decision is the same, one by one, in small batches or for a whole minute."""
    samples = make_noise(60)
    windows = make_windows(samples)
    rows = [classifier.score(windows[i : i + at_once]) for i in range(0, len(windows), at_once)]
    mel = log_mel(samples, PARAMS)
    expected = score_whole(classifier, mel[: len(mel) // STEP * STEP])
    assert len(windows) > 10 * MAX_DECISIONS
    assert np.ptp(expected[:, 1]) > 0.3
    assert np.concatenate(rows) == pytest.approx(expected, abs=1e-6)


def test_the_first_decision_is_that_of_a_whole_window(classifier: OnnxClassifier) -> None:
    """The silence before a stream is part of the first window, as in training and for a window network."""
    (first, *_) = make_windows(make_noise(1))
    assert classifier.score([first]) == pytest.approx(
        classifier.compute_probabilities(first.features[np.newaxis]), abs=1e-6
    )


def test_streams_scored_together_keep_their_states(classifier: OnnxClassifier) -> None:
    """Streams with different starts and numbers of frames get the same scores as alone."""
    sounds = [make_noise(4, seed) for seed in range(4)]
    alone = [np.concatenate([classifier.score([window]) for window in make_windows(sound)]) for sound in sounds]
    streams = [iter(zip(make_windows(sound), rows, strict=True)) for sound, rows in zip(sounds, alone, strict=True)]
    for turn in range(40):
        taken = [pair for i, stream in enumerate(streams) for pair in itertools.islice(stream, i if turn else 2 * i)]
        if taken:
            rows = classifier.score([window for window, _ in taken])
            assert rows == pytest.approx(np.array([row for _, row in taken]), abs=1e-6)


def test_behind_a_gap_nothing_is_remembered(classifier: OnnxClassifier) -> None:
    """Sound after lost samples starts a new state, even in the same batch."""
    line, before, after = make_pipeline(), make_noise(2, 1), make_noise(2, 2)
    windows = make_windows(before, line) + make_windows(after, line, 10 * RATE)
    rows, fresh = classifier.score(windows), classifier.score(make_windows(after))
    assert rows[-len(fresh) :] == pytest.approx(fresh, abs=1e-6)
    first = windows[-len(fresh)]
    assert first.gap
    assert first.end > 10 * RATE


def test_a_longer_hop_loses_no_short_sound(classifier: OnnxClassifier) -> None:
    """A window gets the highest probability of the decisions since the previous window."""
    frames = np.full((10 * STEP, PARAMS.n_mels), PARAMS.silence, np.float32)
    frames[5 * STEP : 6 * STEP, 40:] = 2.1
    history = np.full((WINDOW, PARAMS.n_mels), PARAMS.silence, np.float32)
    every = classifier.score(make_decisions(history, frames, 1))[:, 1]
    seldom = classifier.score(make_decisions(history, frames, 5))[:, 1]
    assert seldom == pytest.approx([every[:5].max(), every[5:].max()], abs=1e-6)
    assert every[-1] < 0.1
    assert every.max() > 0.5


def make_decisions(history: NDArray[np.float32], frames: NDArray[np.float32], each: int) -> list[MelWindow]:
    """Return the windows of a stream with a hop of `each` decisions."""
    state, joined, hop = NetworkState(), np.concatenate((history, frames)), each * STEP
    ends = range(WINDOW + hop, len(joined) + 1, hop)
    return [MelWindow(joined[end - WINDOW : end], end, WINDOW, gap=False, new_frames=hop, state=state) for end in ends]


def test_a_clip_shorter_than_a_decision_is_scored(classifier: OnnxClassifier) -> None:
    """A recording of 25 ms is padded with silence."""
    line = make_pipeline()
    assert line.push(AudioBlock(make_noise(1)[:400], 0), classifier) == []
    (window,) = line.flush()
    assert classifier.score([window]).shape == (1, len(LABELS))


def swap_network(path: Path) -> None:
    (path / "model.onnx").write_bytes((write_bundle(path.parent / "window") / "model.onnx").read_bytes())
    rewrite_manifest(path, json.loads((path / "manifest.json").read_text(encoding="utf-8")))


def fix_batch_size(path: Path) -> None:
    network = onnx.load(path / "model.onnx")
    for tensor in network.graph.input:
        tensor.type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(network, path / "model.onnx")
    rewrite_manifest(path, json.loads((path / "manifest.json").read_text(encoding="utf-8")))


def double_decisions(path: Path) -> None:
    with np.load(path / "golden.npz") as golden:
        twice = np.repeat(golden["logits"], 2, axis=0)
        np.savez(path / "golden.npz", waveform=golden["waveform"], mel=golden["mel"], logits=twice)
    rewrite_manifest(path, json.loads((path / "manifest.json").read_text(encoding="utf-8")))


MISFITS: list[tuple[str, Callable[[Path], Any], str]] = [
    ("network of another kind", swap_network, "a streaming network has log_mel, state, logits, state_out, but"),
    ("wrong kind", lambda p: change_manifest(p, network="window"), "a window network has log_mel, logits, but"),
    ("kind unknown", lambda p: change_manifest(p, network="recurrent"), "network: .*'window' or 'streaming'"),
    ("no state size", lambda p: change_manifest(p, state_size=None), "state_size"),
    ("state is no size", lambda p: change_manifest(p, state_size="64"), "state_size"),
    ("other step", double_decisions, "46 decisions in 190 frames, where the manifest's decision_frames make 23"),
    ("other state size", lambda p: change_manifest(p, state_size=65), "state of model.onnx has shape .*, 64.*any, 65"),
    ("for one stream", fix_batch_size, r"log_mel of model.onnx has shape \(1, frames, 64\), .* it is \(any, any, 64\)"),
    (
        "window of odd length",
        lambda p: change_manifest(p, frontend={**PARAMS.to_dict(), "window_frames": 100}),
        "multiple of its decision_frames",
    ),
]


@pytest.mark.parametrize(("change", "says"), [misfit[1:] for misfit in MISFITS], ids=[misfit[0] for misfit in MISFITS])
def test_a_network_that_does_not_fit_its_manifest_is_refused_in_one_line(
    change: Callable[[Path], Any], says: str, tmp_path: Path
) -> None:
    """The message names what the manifest declares and what the network has."""
    path = write_streaming_bundle(tmp_path / "bundle")
    change(path)
    with pytest.raises(BundleError, match=says) as caught:
        OnnxClassifier(read_bundle(path))
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_an_accelerator_sees_few_shapes_and_is_built_for_them(classifier: OnnxClassifier) -> None:
    """Both inputs are padded and split alike, and the scores are the same."""
    rng = np.random.default_rng(4)
    mel = rng.normal(0, 1, (70, STEP, PARAMS.n_mels)).astype(np.float32)
    state = rng.normal(0, 1, (70, STATE_SIZE)).astype(np.float32)
    plain = classifier.advance(mel, state)
    accelerated = OnnxClassifier(classifier.bundle)
    accelerated.provider = "tensorrt"
    assert all(np.allclose(a, b) for a, b in zip(plain, accelerated.advance(mel, state), strict=True))
    assert make_profile(classifier.bundle) == {
        "trt_profile_min_shapes": "log_mel:1x8x64,state:1x64",
        "trt_profile_opt_shapes": "log_mel:8x8x64,state:8x64",
        "trt_profile_max_shapes": "log_mel:64x256x64,state:64x64",
    }
