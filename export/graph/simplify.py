"""Simplification of a traced graph: constants, sizes and shapes are computed before.

A runtime fuses operations that it can prove to be of one shape. So every tensor's shape is written as an expression of
`batch` and `frames`: without, ONNX Runtime computes each residual sum of a streaming network by five operations, with
it inside the previous convolution.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime as ort
from onnxruntime.tools.symbolic_shape_infer import SymbolicShapeInference

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Dims = Mapping[str, Sequence[onnx.TensorShapeProto.Dimension]]

_TO_THE_END = 2**31 - 1
_ROUNDS = 2
"""Number of rounds: the second uses results of the first, as the size of a state, then the start of the next one."""


def simplify(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return an equal network with constants, shapes and no computed sizes."""
    outputs = list(model.graph.output)
    for _ in range(_ROUNDS):
        model = _fold_constants(model)
        _keep_batch(model.graph)
        model = _infer_shapes(model)
        dims = {value.name: value.type.tensor_type.shape.dim for value in model.graph.value_info}
        _fill_in_sizes(model.graph, dims)
        _cut_tails(model.graph, dims)
        _drop_unused(model.graph)
    model = _infer_shapes(_fold_constants(model))
    del model.graph.output[:]
    model.graph.output.extend(outputs)  # with the names of their axes
    return model


def _fold_constants(model: onnx.ModelProto) -> onnx.ModelProto:
    """Fold constants and drop copies and dead ends.

    ONNX Runtime's portable optimisations do this.
    """
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "model.onnx"
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(target)
        options.log_severity_level = 3
        ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        folded = onnx.load(target)
    # The runtime lists every domain it knows: a network needs only ONNX's own, and a reader refuses newer versions.
    del folded.opset_import[:]
    folded.opset_import.extend(model.opset_import)
    folded.ir_version = model.ir_version
    return folded


def _infer_shapes(model: onnx.ModelProto) -> onnx.ModelProto:
    del model.graph.value_info[:]
    shaped: onnx.ModelProto = SymbolicShapeInference.infer_shapes(model, auto_merge=True)
    return shaped


def _keep_batch(graph: onnx.GraphProto) -> None:
    """Change a reshape to (-1, …) into one that copies the batch, (0, …).

    The runtime then knows that the batch does not change.
    """
    constants = _read_constants(graph)
    for node in graph.node:
        if node.op_type == "Reshape" and node.input[1] in constants:
            shape = constants[node.input[1]]
            if shape[0] == -1 and (shape[1:] > 0).all():
                node.input[1] = _add_constant(graph, f"{node.output[0]}_shape", np.concatenate(([0], shape[1:])))


def _fill_in_sizes(graph: onnx.GraphProto, dims: Dims) -> None:
    """Replace a computed size that is always the same by a constant."""
    constants = _read_constants(graph)
    asked = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "Shape"}
    for node in [node for node in graph.node if node.op_type == "Gather" and asked.get(node.input[0]) in dims]:
        index = constants.get(node.input[1])
        if index is not None and not index.ndim and (size := dims[asked[node.input[0]]][int(index)].dim_value):
            graph.node.remove(node)
            _add_constant(graph, node.output[0], np.array(size))


def _cut_tails(graph: onnx.GraphProto, dims: Dims) -> None:
    """Let a slice of a known number of last steps begin at minus that number.

    A computed start is not needed then.
    """
    constants = _read_constants(graph)
    for node in graph.node:
        if node.op_type != "Slice" or node.input[1] in constants or not {*node.input[2:4]} <= {*constants}:
            continue
        (end,), (axis,) = constants[node.input[2]], constants[node.input[3]]
        length = dims[node.output[0]][axis].dim_value if node.output[0] in dims else 0
        if end >= _TO_THE_END and length:
            node.input[1] = _add_constant(graph, f"{node.output[0]}_start", np.array([-length]))


def _drop_unused(graph: onnx.GraphProto) -> None:
    """Drop the operations whose output is not used."""
    needed = {value.name for value in graph.output}
    for node in reversed(list(graph.node)):
        if needed.isdisjoint(node.output):
            graph.node.remove(node)
        else:
            needed.update(node.input)


def _read_constants(graph: onnx.GraphProto) -> dict[str, NDArray[np.int64]]:
    """Return the integer constants, which shapes are made of."""
    whole = (tensor for tensor in graph.initializer if tensor.data_type == onnx.TensorProto.INT64)
    return {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in whole}


def _add_constant(graph: onnx.GraphProto, name: str, value: NDArray[np.int64]) -> str:
    graph.initializer.append(onnx.numpy_helper.from_array(value.astype(np.int64), name))
    return name
