"""TensorRT without TensorRT: operators, profiles, cache keys, and calls of NVIDIA's package."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
import torch

from edge.errors import DataError, Unavailable
from export.__main__ import main
from export.graph import tensorrt
from export.graph.fold import fold
from export.graph.int8 import make_feeds, quantize
from export.graph.onnx import INPUT, OUTPUT, STATE, STATE_OUT, to_onnx
from export.graph.tensorrt import Engine, Gpu, build_engine, list_unsupported, make_profile, open_engine
from tests.support.networks import MODELS, PARAMS, make_trained_model, sequence
from training.models.streamnet import Streaming

if TYPE_CHECKING:
    from pathlib import Path

GPU = Gpu("Orin", "8.7")
STREAMING = make_trained_model(MODELS["streaming"])
assert isinstance(STREAMING, Streaming)
SIZE = STREAMING.state_size


class FakeTensorRT:
    """A fake of NVIDIA's package that records the calls of the exporter."""

    MemoryPoolType = SimpleNamespace(WORKSPACE="workspace")
    BuilderFlag = SimpleNamespace(FP16="fp16", INT8="int8")
    NetworkDefinitionCreationFlag = SimpleNamespace(EXPLICIT_BATCH=0)

    def __init__(self, version: str = "10.3.0", plan: bytes | None = b"plan", *, parses: bool = True) -> None:
        self.__version__ = version
        self.flags: list[str] = []
        self.shapes: dict[str, Any] = {}
        self.definitions: list[int] = []
        self.builds = 0
        self.Runtime: Any = None
        self._plan, self._parses = plan, parses

    class Logger:
        """Takes a level."""

        WARNING = 2

        def __init__(self, level: int) -> None:
            self.level = level

    def Builder(self, logger: Any) -> Any:  # noqa: N802 - NVIDIA's name
        return SimpleNamespace(
            create_network=self._define,
            create_builder_config=lambda: SimpleNamespace(
                set_memory_pool_limit=lambda pool, size: None,
                set_flag=self.flags.append,
                add_optimization_profile=lambda profile: None,
            ),
            create_optimization_profile=lambda: SimpleNamespace(
                set_shape=lambda name, *shapes: self.shapes.update({name: shapes})
            ),
            build_serialized_network=self._build,
        )

    def OnnxParser(self, definition: Any, logger: Any) -> Any:  # noqa: N802 - NVIDIA's name
        return SimpleNamespace(parse=lambda network: self._parses, get_error=lambda index: "node 3: no such thing")

    def _define(self, flags: int) -> str:
        self.definitions.append(flags)
        return "definition"

    def _build(self, definition: Any, config: Any) -> bytes | None:
        self.builds += 1
        return self._plan


@pytest.fixture(scope="module", params=["window", "streaming"])
def network(request: pytest.FixtureRequest) -> bytes:
    """Return a network of either kind as ONNX."""
    return to_onnx(fold(make_trained_model(MODELS[request.param])), PARAMS)


def test_networks_are_made_of_what_its_parser_reads(network: bytes) -> None:
    """In 32 bits as in 8 no operator is outside the documented set; another one is named."""
    small = quantize(network, make_feeds(network, [sequence(20)[0]], PARAMS), for_tensorrt=True)
    foreign = onnx.load_from_string(network)
    foreign.graph.node[0].op_type = "NonZero"
    assert list_unsupported(network) == list_unsupported(small) == []
    assert list_unsupported(foreign.SerializeToString()) == ["NonZero"]


def test_a_profile_covers_one_stream_to_the_largest_batch(network: bytes) -> None:
    """Smallest, usual and largest shapes of every input; a stream's pieces are one decision to 64."""
    profile = make_profile(network, PARAMS)
    if STATE in profile:
        assert profile[INPUT] == ((1, 8, 64), (8, 8, 64), (64, 512, 64))
        assert profile[STATE] == ((1, SIZE), (8, SIZE), (64, SIZE))
    else:
        assert profile == {INPUT: ((1, 96, 64), (8, 96, 64), (64, 96, 64))}


@pytest.mark.parametrize(("precision", "flags"), [("fp32", []), ("fp16", ["fp16"]), ("int8", ["int8", "fp16"])])
def test_the_builder_gets_precision_and_shapes(precision: str, flags: list[str], network: bytes) -> None:
    """The flags are the precision's, the profile is set for every input."""
    package, profile = FakeTensorRT(), make_profile(network, PARAMS)
    assert build_engine(network, profile, precision, package) == b"plan"
    assert (package.flags, package.shapes, package.definitions) == (flags, profile, [1])


def test_an_engine_is_built_once_for_all_that_it_depends_on(tmp_path: Path) -> None:
    """The same request finds the file; another network, version, precision or GPU gets one of its own."""
    window, other = (to_onnx(fold(make_trained_model(MODELS[kind])), PARAMS) for kind in MODELS)
    package = FakeTensorRT()
    wants: list[tuple[bytes, str, FakeTensorRT, Gpu]] = [
        (window, "fp16", package, GPU),
        (window, "int8", package, GPU),
        (window, "fp16", FakeTensorRT("10.4.0"), GPU),
        (window, "fp16", package, Gpu("Orin", "8.6")),
        (window, "fp16", package, Gpu("T4", "8.7")),
        (other, "fp16", package, GPU),
    ]
    paths = [open_engine(net, PARAMS, kind, tmp_path, package=trt, gpu=gpu) for net, kind, trt, gpu in wants * 2]
    assert len(set(paths)) == len(wants) == len(list(tmp_path.iterdir()))
    assert package.builds == len(wants) - 1
    assert paths[0].read_bytes() == b"plan"


def test_a_failed_build_leaves_nothing_behind(tmp_path: Path) -> None:
    """An unreadable network and an unsuitable GPU are errors of one line each; no partial file is left."""
    window = to_onnx(fold(make_trained_model(MODELS["window"])), PARAMS)
    with pytest.raises(DataError, match="cannot read the network: node 3"):
        open_engine(window, PARAMS, "fp16", tmp_path, package=FakeTensorRT(parses=False), gpu=GPU)
    with pytest.raises(Unavailable, match="did not build a fp16 engine"):
        open_engine(window, PARAMS, "fp16", tmp_path, package=FakeTensorRT(plan=None), gpu=GPU)
    assert list(tmp_path.iterdir()) == []


def test_without_the_package_the_error_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 69 and one line, before anything else is done."""
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    assert main(["tensorrt", str(tmp_path / "none.pt")]) == 69
    said = capsys.readouterr().err
    assert "pip install tensorrt" in said
    assert said.count("\n") == 1


def test_without_a_gpu_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package alone does not build."""
    monkeypatch.setitem(sys.modules, "tensorrt", FakeTensorRT())
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(Unavailable, match="needs an NVIDIA GPU"):
        tensorrt.require_tensorrt()


class FakeContext:
    """An execution context that writes down the shapes it runs with."""

    def __init__(self, streaming: bool) -> None:
        self.streaming = streaming
        self.now: dict[str, tuple[int, ...]] = {}
        self.ran: list[dict[str, tuple[int, ...]]] = []
        self.addresses: dict[str, int] = {}

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> None:
        self.now[name] = shape

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        batch, frames, _ = self.now[INPUT]
        if not self.streaming:
            return (batch, 4)
        return {OUTPUT: (batch, frames // 8, 4), STATE_OUT: (batch, 5), STATE: (-1, 5)}[name]

    def set_tensor_address(self, name: str, address: int) -> None:
        self.addresses[name] = address

    def execute_async_v3(self, stream: int) -> None:
        assert all(self.addresses.values())
        self.ran.append(dict(self.now))


@pytest.mark.parametrize(("streaming", "features", "decisions"), [(False, (70, 96, 64), 70), (True, (1, 800, 64), 100)])
def test_an_engine_is_fed_no_more_than_its_profile_allows(
    streaming: bool, features: tuple[int, ...], decisions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Large batches and long sequences go in parts, a stream's with its state."""
    names = [INPUT, STATE, OUTPUT, STATE_OUT] if streaming else [INPUT, OUTPUT]
    context = FakeContext(streaming)
    engine = SimpleNamespace(
        num_io_tensors=len(names),
        get_tensor_name=names.__getitem__,
        get_tensor_shape=lambda name: (-1, 5),
        create_execution_context=lambda: context,
    )
    package = FakeTensorRT()
    package.Runtime = lambda logger: SimpleNamespace(deserialize_cuda_engine=lambda plan: engine)
    monkeypatch.setattr(
        torch.cuda, "current_stream", lambda: SimpleNamespace(cuda_stream=7, synchronize=lambda: None), raising=False
    )
    logits = Engine(b"plan", PARAMS, package, device="cpu").compute_logits(np.zeros(features, np.float32))
    assert logits.shape == (decisions, 4)
    assert [run[INPUT][int(streaming)] for run in context.ran] == ([512, 288] if streaming else [64, 6])
    assert all((STATE in run) is streaming for run in context.ran)


def test_an_engine_of_another_machine_is_refused() -> None:
    """An engine that does not load is an error with a remedy."""
    package = FakeTensorRT()
    package.Runtime = lambda logger: SimpleNamespace(deserialize_cuda_engine=lambda plan: None)
    with pytest.raises(Unavailable, match="delete it"):
        Engine(b"plan", PARAMS, package)
