"""TensorRT engines, through NVIDIA's Python package if it is installed.

An engine fits one network, one TensorRT, one precision, one profile of shapes and one kind of GPU: it is built on the
machine that runs it, and its name in the cache contains all of these.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import torch

from edge.errors import DataError, Unavailable
from edge.inference.onnx import PAD_SIZES, make_engine_key
from export.graph.onnx import INPUT, OUTPUT, STATE, STATE_OUT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from torch import Tensor

    from edge.frontend.params import FrontEndParams

    Floats = NDArray[np.float32]
    Shapes = tuple[tuple[int, ...], ...]
    """Smallest, usual and largest."""

PRECISIONS = {"fp32": (), "fp16": ("FP16",), "int8": ("INT8", "FP16")}
"""Precision → builder flags; int8 needs a network with explicit quantize and dequantize nodes."""
SUPPORTED = frozenset(
    {
        *("Add", "AveragePool", "Clip", "Concat", "Constant", "Conv", "Div", "Flatten", "Gather", "Gemm"),
        *(
            "GlobalAveragePool",
            "GlobalMaxPool",
            "HardSigmoid",
            "Identity",
            "MatMul",
            "MaxPool",
            "Mul",
            "Pad",
            "ReduceMax",
            "ReduceMean",
        ),
        *("ReduceSum", "Relu", "Reshape", "Shape", "Sigmoid", "Slice", "Softmax", "Split", "Squeeze", "Sub", "Tanh"),
        *("Transpose", "Unsqueeze", "QuantizeLinear", "DequantizeLinear"),
    }
)
"""The operators of the parser (onnx/onnx-tensorrt, docs/operators.md, 8.4) used by networks here."""
_STREAMS = (1, 8, PAD_SIZES[-1])
_DECISIONS = (1, 1, 64)
"""Fewest, usual and most streams in a batch, and decisions of a streaming network in a call."""
_WORKSPACE_BYTES = 1 << 28
_INSTALL = "on a Jetson 'apt install python3-libnvinfer', elsewhere 'pip install tensorrt'"


@dataclasses.dataclass(frozen=True, slots=True)
class Gpu:
    """The GPU that an engine is built for."""

    name: str
    capability: str


def require_tensorrt() -> tuple[Any, Gpu]:
    """Return NVIDIA's package and the GPU.

    Raises `Unavailable` naming the missing one.
    """
    try:
        package = importlib.import_module("tensorrt")
    except ImportError as exc:
        msg = f"the Python package 'tensorrt' does not load ({exc})"
        raise Unavailable(msg, remedy=_INSTALL) from exc
    if not torch.cuda.is_available():
        msg = f"TensorRT needs an NVIDIA GPU, but this PyTorch ({torch.__version__}) finds none"
        raise Unavailable(msg, remedy="install its CUDA build")
    major, minor = torch.cuda.get_device_capability()
    return package, Gpu(torch.cuda.get_device_name(), f"{major}.{minor}")


def make_profile(network: bytes, params: FrontEndParams) -> dict[str, Shapes]:
    """Return the smallest, usual and largest shape of each input of a network."""
    inputs = {node.name: node.type.tensor_type.shape.dim for node in onnx.load_from_string(network).graph.input}
    if STATE not in inputs:
        return {INPUT: tuple((batch, params.window_frames, params.n_mels) for batch in _STREAMS)}
    size, step = int(inputs[STATE][1].dim_value), params.decision_frames
    return {
        INPUT: tuple((batch, k * step, params.n_mels) for batch, k in zip(_STREAMS, _DECISIONS, strict=True)),
        STATE: tuple((batch, size) for batch in _STREAMS),
    }


def list_unsupported(network: bytes) -> list[str]:
    """Return the operators of a network that are not in `SUPPORTED`."""
    return sorted({node.op_type for node in onnx.load_from_string(network).graph.node} - SUPPORTED)


def open_engine(
    network: bytes,
    params: FrontEndParams,
    precision: str,
    cache: Path,
    *,
    package: Any,  # noqa: ANN401 - it carries no types
    gpu: Gpu,
) -> Path:
    """Return the engine of a network; build it if it is not cached.

    `cache` is the folder of engines. Raises `DataError` for a network that TensorRT cannot read, `Unavailable` when it
    cannot build for this GPU.
    """
    if unknown := list_unsupported(network):
        msg = f"the network has operators that TensorRT may not support: {', '.join(unknown)}"
        raise DataError(msg)
    profile = make_profile(network, params)
    sha256 = hashlib.sha256(network).hexdigest()
    key = make_engine_key(sha256, package.__version__, precision, repr(profile), gpu.name, gpu.capability)
    target = cache / f"{key}.engine"
    if not target.exists():
        cache.mkdir(parents=True, exist_ok=True)
        plan = build_engine(network, profile, precision, package)
        handle, part = tempfile.mkstemp(dir=cache, suffix=".part")
        with os.fdopen(handle, "wb") as file:
            file.write(plan)
        Path(part).replace(target)
    return target


def build_engine(network: bytes, profile: Mapping[str, Shapes], precision: str, package: Any) -> bytes:  # noqa: ANN401
    """Build the serialized engine of a network; this can take minutes."""
    logger = package.Logger(package.Logger.WARNING)
    builder = package.Builder(logger)
    explicit = getattr(
        package.NetworkDefinitionCreationFlag, "EXPLICIT_BATCH", None
    )  # the only mode from version 10 on
    definition = builder.create_network(0 if explicit is None else 1 << int(explicit))
    parser = package.OnnxParser(definition, logger)
    if not parser.parse(network):
        msg = f"TensorRT {package.__version__} cannot read the network: {parser.get_error(0)}"
        raise DataError(msg)
    config = builder.create_builder_config()
    config.set_memory_pool_limit(package.MemoryPoolType.WORKSPACE, _WORKSPACE_BYTES)
    for flag in PRECISIONS[precision]:
        config.set_flag(getattr(package.BuilderFlag, flag))
    shapes = builder.create_optimization_profile()
    for name, (smallest, usual, largest) in profile.items():
        shapes.set_shape(name, smallest, usual, largest)
    config.add_optimization_profile(shapes)
    plan = builder.build_serialized_network(definition, config)
    if plan is None:
        msg = f"TensorRT {package.__version__} did not build a {precision} engine"
        raise Unavailable(msg, remedy="see its own lines above")
    return bytes(plan)


class Engine:
    """A loaded engine."""

    def __init__(self, plan: bytes, params: FrontEndParams, package: Any, device: str = "cuda") -> None:  # noqa: ANN401
        """Load a serialized engine; raise `Unavailable` for another TensorRT or GPU."""
        self._runtime = package.Runtime(package.Logger(package.Logger.WARNING))
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            msg = "the TensorRT engine does not load here"
            raise Unavailable(msg, remedy="delete it, so that it is built again")
        self._context = self._engine.create_execution_context()
        names = [self._engine.get_tensor_name(i) for i in range(self._engine.num_io_tensors)]
        self._outputs = [name for name in names if name not in (INPUT, STATE)]
        self._streaming = STATE in names
        self._piece = _DECISIONS[-1] * params.decision_frames
        self._device = device

    def compute_logits(self, features: Floats) -> Floats:
        """Return the logits, (decisions, labels), of the input of `run_onnx`."""
        x = torch.from_numpy(features).to(self._device)
        if not self._streaming:
            return _to_numpy(torch.cat([self._run({INPUT: part})[OUTPUT] for part in torch.split(x, _STREAMS[-1])]))
        state = torch.zeros(1, int(self._engine.get_tensor_shape(STATE)[1]), device=self._device)
        rows = []
        for piece in torch.split(x, self._piece, dim=1):
            answer = self._run({INPUT: piece, STATE: state})
            state = answer[STATE_OUT]
            rows.append(answer[OUTPUT][0])
        return _to_numpy(torch.cat(rows))

    def _run(self, feed: Mapping[str, Tensor]) -> dict[str, Tensor]:
        held = {name: tensor.contiguous() for name, tensor in feed.items()}
        for name, tensor in held.items():
            self._context.set_input_shape(name, tuple(tensor.shape))
        answer = {
            name: torch.empty(tuple(self._context.get_tensor_shape(name)), device=self._device)
            for name in self._outputs
        }
        for name, tensor in {**held, **answer}.items():
            self._context.set_tensor_address(name, tensor.data_ptr())
        stream = torch.cuda.current_stream()
        self._context.execute_async_v3(stream.cuda_stream)
        stream.synchronize()
        return answer


def _to_numpy(logits: Tensor) -> Floats:
    return np.asarray(logits.cpu().numpy(), np.float32)
