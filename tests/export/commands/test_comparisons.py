"""The commands that put networks side by side."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
import soundfile

from edge.errors import DataError
from export.__main__ import main
from export.bundle.about import About
from export.bundle.bundle import write_bundle
from export.compare.labelled import LabelledSet, thin_clips
from export.compare.speed import PUBLISHED
from export.compare.timing import time_jobs_ms
from export.graph.cost import count_cost
from export.graph.fold import fold
from export.graph.int8 import Comparison
from export.graph.onnx import to_onnx
from tests.support.networks import EVALUATION, MODELS, PARAMS, make_small_checkpoint, make_trained_model
from tests.support.recordings import LABELS, made_up
from training.checkpoint import save_checkpoint
from training.data.features import open_features
from training.data.manifest import read_manifest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with recordings, and a checkpoint and a bundle of each kind."""
    folder = tmp_path_factory.mktemp("networks")
    (folder / "data").mkdir()
    made_up(folder / "data")
    noise = np.random.default_rng(2).normal(0, 0.1, 2 * PARAMS.sample_rate_hz)
    soundfile.write(folder / "noise.wav", noise, PARAMS.sample_rate_hz)
    for kind in MODELS:
        (folder / kind).mkdir()
        save_checkpoint(folder / kind / "last.pt", make_small_checkpoint(kind))
        about = About(kind, folder / "noise.wav")
        write_bundle(make_small_checkpoint(kind), EVALUATION, about, folder / kind / "bundle")
    return folder


@pytest.fixture
def places(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the arguments that name the recordings; NVIDIA's package is not there."""
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    monkeypatch.delenv("TOCSIN_DATA", raising=False)
    return ["--data", str(folder / "data"), "--cache", str(folder / "cache")]


@pytest.mark.parametrize("kind", MODELS)
def test_int8_prints_the_comparison_and_writes_with_force(
    kind: str, folder: Path, places: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One table of both networks; with --force the file is there, and it runs."""
    target = tmp_path / "small.onnx"
    assert main(["int8", str(folder / kind / "last.pt"), "--out", str(target), "--force", *places]) == 0
    said = capsys.readouterr().out
    assert "| float32 |" in said
    assert "| int8 |" in said
    assert f"{target}: written" in said
    onnx.checker.check_model(onnx.load(target))


def test_int8_that_does_not_pay_removes_only_its_own(
    folder: Path, places: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older 8-bit network beside the checkpoint is removed; a file named by --out stays."""
    monkeypatch.setattr(Comparison, "pays", False)
    monkeypatch.setattr("export.graph.int8.quantize", lambda network, _: network)
    path = tmp_path / "last.pt"
    path.write_bytes((folder / "window" / "last.pt").read_bytes())
    older, named = tmp_path / "model.int8.onnx", tmp_path / "named.onnx"
    for file in (older, named):
        file.write_bytes(b"before")
    assert main(["int8", str(path), "--out", str(named), *places]) == 0
    assert named.exists()
    assert older.exists()
    assert main(["int8", str(path), *places]) == 0
    assert not older.exists()


@pytest.mark.parametrize("kind", MODELS)
def test_verify_shows_every_form_and_the_absent_ones(
    kind: str, folder: Path, places: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Checkpoint and bundle agree on the golden recording; a labelled set adds its figure."""
    assert main(["verify", str(folder / kind / "last.pt"), str(folder / kind / "bundle"), *places]) == 0
    said = capsys.readouterr().out
    for form in ("torch", "folded", "ONNX"):
        (row,) = [line.split(" | ") for line in said.splitlines() if line.startswith(f"| {form} ")]
        assert 0 <= float(row[2]) <= 1
    assert "int8: absent (no model.int8.onnx" in said
    assert "TensorRT fp16: absent (no TensorRT here" in said


def test_a_bundle_alone_is_verified_by_its_own_golden_logits(
    folder: Path, places: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the checkpoint there is no PyTorch row; the rest is measured."""
    assert main(["verify", str(folder / "streaming" / "bundle")]) == 0
    said = capsys.readouterr().out
    assert "torch, folded: absent" in said
    assert "| ONNX | 0 | - |" in said


def test_a_bundle_of_another_checkpoint_fails(
    folder: Path, places: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Another network is status 65, and its difference is printed."""
    checkpoint = make_small_checkpoint("window")
    checkpoint.model.get_parameter("head.classifier.bias").data += 1.0
    save_checkpoint(folder / "other.pt", checkpoint)
    assert main(["verify", str(folder / "other.pt"), str(folder / "window" / "bundle")]) == 65
    assert "differs by more than 1e-05: folded by" in capsys.readouterr().err


def test_bench_puts_networks_beside_published_ones(
    folder: Path, places: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A row for each network named, and for each known from elsewhere."""
    assert main(["bench", str(folder / "streaming" / "bundle"), str(folder / "window" / "last.pt")]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert [row.split(" | ")[0] for row in rows[2:]] == ["| streaming 1", "| last", *(f"| {p.name}" for p in PUBLISHED)]
    assert {row.count("|") for row in rows} == {9}


def test_costs_are_those_counted_by_hand() -> None:
    """Parameters of every layer, and products of every output number, of a network small enough to count."""
    nodes = [
        onnx.helper.make_node("Unsqueeze", ["log_mel", "one"], ["image"]),
        onnx.helper.make_node("Conv", ["image", "kernel"], ["maps"], kernel_shape=[3, 3], strides=[2, 2]),
        onnx.helper.make_node("ReduceMax", ["maps"], ["pooled"], axes=[2, 3], keepdims=0),
        onnx.helper.make_node("Gemm", ["pooled", "weights", "bias"], ["logits"]),
    ]
    shapes: dict[str, list[int | str | None]] = {
        "log_mel": ["batch", PARAMS.window_frames, PARAMS.n_mels],
        "logits": ["batch", 4],
    }
    tensors = {"kernel": (5, 1, 3, 3), "weights": (5, 4), "bias": (4,)}
    values = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in shapes.items()]
    constants = [onnx.numpy_helper.from_array(np.ones(shape, np.float32), name) for name, shape in tensors.items()]
    constants.append(onnx.numpy_helper.from_array(np.array([1]), "one"))
    graph = onnx.helper.make_graph(nodes, "counted", values[:1], values[1:], constants)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    counted = count_cost(model.SerializeToString(), PARAMS)
    maps = ((96 - 3) // 2 + 1) * ((64 - 3) // 2 + 1) * 5
    assert (counted.parameters, counted.macs, counted.nodes) == (45 + 20 + 4, maps * 9 + 20, 4)
    assert counted.macs_per_s(PARAMS) == 8 * counted.macs


@pytest.mark.parametrize("kind", MODELS)
def test_all_parameters_of_a_folded_network_are_counted(kind: str) -> None:
    """The graph has as many as PyTorch."""
    model = fold(make_trained_model(MODELS[kind]))
    assert count_cost(to_onnx(model, PARAMS), PARAMS).parameters == sum(weight.numel() for weight in model.parameters())


def test_a_stream_is_counted_for_its_new_frames_only() -> None:
    """A network costs less than a tenth of the cost for its window."""
    model = make_trained_model(MODELS["streaming"])
    assert count_cost(to_onnx(fold(model), PARAMS), PARAMS).macs < 0.2e6


def test_jobs_take_turns() -> None:
    """Every round runs each job some times in a row, and the slower one is the slower one."""
    order: list[str] = []

    def idle() -> None:
        order.append("a")

    def count() -> int:
        order.append("b")
        return sum(range(20_000))

    fast, slow = time_jobs_ms([idle, count], rounds=2)
    assert "".join(order) == ("a" * 10 + "b" * 10) * 3
    assert 0 < fast < slow


def test_a_labelled_set_counts_every_label_that_it_has(folder: Path) -> None:
    """Scores that name each clip's label are perfect; without a known label there is nothing to count."""
    clips = read_manifest(folder / "data")
    store = open_features(folder / "data", clips, folder / "cache", PARAMS)
    right = np.array([[float(label in clip.labels) for label in LABELS] for clip in clips])
    held = LabelledSet(tuple(clips), store, LABELS)
    assert held.mean_average_precision(right) == 1.0
    assert held.mean_average_precision(1.0 - right) < 0.5
    with pytest.raises(DataError, match="carries a label"):
        LabelledSet(tuple(clips), store, ("door",)).mean_average_precision(right)


def test_a_labelled_set_scores_decisions_of_whole_windows(folder: Path) -> None:
    """The decisions of a stream before its first whole window do not count, as in training."""
    clips = read_manifest(folder / "data")[:1]
    store = open_features(folder / "data", read_manifest(folder / "data"), folder / "cache", PARAMS)
    steps = len(store.get(clips[0])) // 8

    def first_only(features: np.ndarray) -> np.ndarray:
        """Say yes to the decisions before the twelfth, no to the rest."""
        assert features.shape == (1, 8 * steps, 64)
        return np.where(np.arange(steps)[:, None] < 11, 9.0, -9.0) * np.ones((1, len(LABELS)))

    assert LabelledSet(tuple(clips), store, LABELS).scores(first_only, streaming=True).max() < 0.01


def test_a_few_clips_of_each_label_are_spread() -> None:
    """Up to the number asked for of each label, from its first clip to its last."""
    clips = [type("Clip", (), {"label": label, "index": i})() for i, label in enumerate("aaaaaaabb")]
    assert [clip.index for clip in thin_clips(clips, 3)] == [0, 3, 6, 7, 8]
