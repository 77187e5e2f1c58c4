"""Bundles: checks of files, manifest and golden recording, and scores."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edge.errors import BundleError
from edge.inference.batcher import score_batches
from edge.inference.bundle import read_bundle
from edge.inference.load import load_classifier
from edge.inference.onnx import OnnxClassifier, list_providers, make_engine_key, pad_batch_size
from edge.types import MelWindow, NetworkState
from tests.support.bundles import LABELS, PARAMS, change_manifest, rewrite_manifest, write_bundle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def bundle_path(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "tiny")


def truncate(path: Path, name: str) -> None:
    data = (path / name).read_bytes()
    (path / name).write_bytes(data[: len(data) // 2])


def flip_bit(path: Path) -> None:
    data = bytearray((path / "model.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (path / "model.onnx").write_bytes(bytes(data))


def update_checksums(path: Path) -> None:
    rewrite_manifest(path, json.loads((path / "manifest.json").read_text()))


def change_golden(path: Path) -> None:
    with np.load(path / "golden.npz") as golden:
        np.savez(path / "golden.npz", waveform=golden["waveform"], mel=golden["mel"], logits=golden["logits"] + 0.5)
    update_checksums(path)


def break_network(path: Path) -> None:
    truncate(path, "model.onnx")
    update_checksums(path)


def pickle_golden(path: Path) -> None:
    np.savez(path / "golden.npz", waveform=np.array([{}], object), mel=np.zeros(1), logits=np.zeros(1))
    update_checksums(path)


DAMAGE: list[tuple[str, Callable[[Path], Any], str]] = [
    ("no manifest", lambda p: (p / "manifest.json").unlink(), "manifest.json is missing"),
    ("manifest cut off", lambda p: truncate(p, "manifest.json"), "not JSON"),
    ("other format", lambda p: change_manifest(p, format=99), "format 1"),
    ("no network", lambda p: (p / "model.onnx").unlink(), "model.onnx is missing"),
    ("network cut off", lambda p: truncate(p, "model.onnx"), "differs from the exported file"),
    ("one bit flipped", flip_bit, "differs from the exported file"),
    ("golden cut off", lambda p: truncate(p, "golden.npz"), "differs from the exported file"),
    ("labels twice", lambda p: change_manifest(p, labels=["a", "a", "b"]), "different names"),
    ("unknown front end", lambda p: change_manifest(p, frontend={**PARAMS.to_dict(), "pcen": 1}), "pcen"),
    ("calibration too short", lambda p: change_manifest(p, calibration={"scale": [1], "bias": [0]}), "per label"),
    (
        "calibration not numbers",
        lambda p: change_manifest(p, calibration={"scale": "x", "bias": 0}),
        "calibration.scale: ",
    ),
    ("threshold of nothing", lambda p: change_manifest(p, thresholds={"ufo": {"on": 1}}), "ufo"),
    (
        "threshold is a word",
        lambda p: change_manifest(p, thresholds={"siren": {"on": "high"}}),
        "thresholds.siren.on: ",
    ),
    ("tolerance is a word", lambda p: change_manifest(p, golden_tolerance={"mel": "small"}), "golden_tolerance.mel: "),
    (
        "file outside",
        lambda p: change_manifest(p, sha256={"../x": "", "model.onnx": "", "golden.npz": ""}),
        "sha256.*/x",
    ),
    ("pickle", pickle_golden, "golden.npz cannot be read"),
    ("golden of another network", change_golden, "differ by 0.5"),
    ("network is rubbish", break_network, "cannot load model.onnx"),
]


@pytest.mark.parametrize(("damage", "says"), [d[1:] for d in DAMAGE], ids=[d[0] for d in DAMAGE])
def test_a_damaged_bundle_is_refused_in_one_line_and_the_previous_one_used(
    damage: Callable[[Path], Any], says: str, bundle_path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The message names the problem, and the node uses the last good bundle."""
    good = write_bundle(tmp_path / "good", version="0.9")
    damage(bundle_path)
    with pytest.raises(BundleError, match=says) as caught:
        load_classifier([bundle_path])
    assert "\n" not in str(caught.value)
    assert str(bundle_path) in str(caught.value)
    assert caught.value.exit_code == 78
    assert load_classifier([bundle_path, good]).bundle.version == "0.9"
    assert "using model tiny 0.9" in caplog.text


def test_without_any_bundle_the_message_says_how_to_get_one() -> None:
    """An empty list of candidates raises `BundleError`."""
    with pytest.raises(BundleError, match="tocsin model install"):
        load_classifier([])


def test_a_good_bundle_gives_calibrated_probabilities(bundle_path: Path) -> None:
    """Scale and bias are applied to the logits before the sigmoid."""
    change_manifest(bundle_path, calibration={"scale": [2.0, 1.0, 1.0], "bias": [0.0, 1.0, 0.0]})
    classifier = OnnxClassifier(read_bundle(bundle_path), provider="cpu")
    silence = np.full((3, PARAMS.window_frames, PARAMS.n_mels), PARAMS.silence, np.float32)
    probabilities = classifier.compute_probabilities(silence)
    assert probabilities.shape == (3, len(LABELS))
    assert probabilities[0, 0] == pytest.approx(1 / (1 + np.exp(8.0)), rel=1e-4)
    assert (probabilities[:, 1:] < 1e-6).all()


def test_a_missing_provider_is_logged_and_the_cpu_is_used(bundle_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A node with the wrong wheel of ONNX Runtime uses the CPU."""
    if "cuda" in list_providers():
        assert OnnxClassifier(read_bundle(bundle_path), provider="cuda").provider == "cuda"
    else:
        assert OnnxClassifier(read_bundle(bundle_path), provider="cuda").provider == "cpu"
        assert "install NVIDIA's wheel" in caplog.text


def test_several_threads_may_score_at_once(bundle_path: Path) -> None:
    """Concurrent calls, as from uploads and live audio, give the same scores."""
    classifier = OnnxClassifier(read_bundle(bundle_path))
    features = np.random.default_rng(0).normal(0, 1, (4, PARAMS.window_frames, PARAMS.n_mels)).astype(np.float32)
    expected, results = classifier.compute_probabilities(features), []
    threads = [
        threading.Thread(target=lambda: results.append(classifier.compute_probabilities(features))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8
    assert all(np.array_equal(result, expected) for result in results)


def test_batches_keep_order_and_size(bundle_path: Path) -> None:
    """Windows are scored in batches of limited size, in order, with their owners."""
    classifier = OnnxClassifier(read_bundle(bundle_path))
    rng = np.random.default_rng(1)
    shape = (PARAMS.window_frames, PARAMS.n_mels)
    ready = [
        (i, MelWindow(rng.normal(0, 1, shape).astype(np.float32), i, i, gap=False, new_frames=8, state=NetworkState()))
        for i in range(10)
    ]
    sizes: list[int] = []
    scored = list(score_batches(ready, classifier, 4, lambda size, _seconds: sizes.append(size)))
    assert sizes == [4, 4, 2]
    assert [(owner, window.end) for owner, window, _ in scored] == [(i, i) for i in range(10)]
    single = [classifier.compute_probabilities(window.features[None])[0] for _, window in ready]
    assert np.abs(np.array(single) - np.array([row for *_, row in scored])).max() < 1e-6


def test_accelerators_see_few_batch_sizes_and_engines_are_keyed_by_all_that_matters() -> None:
    """The key of an engine depends on network, runtime, precision, profile and device."""
    assert [pad_batch_size(n) for n in (1, 3, 17, 64, 65)] == [1, 4, 32, 64, 128]
    parts = ("sha", "1.2", "fp16", "profile", "gpu")
    keys = {make_engine_key(*parts)} | {
        make_engine_key(*parts[:i], "other", *parts[i + 1 :]) for i in range(len(parts))
    }
    assert len(keys) == len(parts) + 1
