"""Cost of a network: parameters, and multiplications per decision."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import onnx

from export.graph.onnx import INPUT, STATE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge.frontend.params import FrontEndParams

    Shape = tuple[int, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Cost:
    """Cost of a network, counted in its ONNX graph."""

    parameters: int
    """Learned numbers."""
    macs: int
    """Multiply-accumulate operations of one decision, in convolutions and matrix products."""
    nodes: int
    """Operations of the graph: each costs a call, even if it computes little."""

    def macs_per_s(self, params: FrontEndParams) -> float:
        """Return the multiplications for a second of sound.

        Decisions come at the service's rate.
        """
        return self.macs * params.frames_per_s / params.decision_frames


def count_cost(network: bytes, params: FrontEndParams) -> Cost:
    """Count the cost of a network in its ONNX file, streaming or not."""
    graph = onnx.load_from_string(network)
    streaming = any(node.name == STATE for node in graph.graph.input)
    shapes = _infer_shapes(graph, params.decision_frames if streaming else params.window_frames)
    macs = sum(_count_macs(node, shapes) for node in graph.graph.node)
    learned = (tensor for tensor in graph.graph.initializer if tensor.data_type != onnx.TensorProto.INT64)
    return Cost(sum(math.prod(tensor.dims) for tensor in learned), macs, len(graph.graph.node))


def _infer_shapes(graph: onnx.ModelProto, frames: int) -> dict[str, Shape]:
    """Return the shape of every tensor for one decision of one stream."""
    for node in graph.graph.input:
        dims = node.type.tensor_type.shape.dim
        dims[0].dim_value = 1
        if node.name == INPUT:
            dims[1].dim_value = frames
    for node in (*graph.graph.output, *graph.graph.value_info):
        node.type.tensor_type.ClearField("shape")
    whole = onnx.shape_inference.infer_shapes(graph, data_prop=True).graph
    known = {tensor.name: tuple(tensor.dims) for tensor in whole.initializer}
    for node in (*whole.input, *whole.value_info, *whole.output):
        known[node.name] = tuple(dim.dim_value for dim in node.type.tensor_type.shape.dim)
    return known


def _count_macs(node: onnx.NodeProto, shapes: Mapping[str, Shape]) -> int:
    """Return the multiplications of a node.

    These are its output numbers, times the products summed for each.
    """
    if node.op_type == "Conv":
        return math.prod(shapes[node.output[0]]) * math.prod(shapes[node.input[1]][1:])
    if node.op_type in ("MatMul", "Gemm"):
        transposed = any(attribute.name == "transA" and attribute.i for attribute in node.attribute)
        return math.prod(shapes[node.output[0]]) * shapes[node.input[0]][0 if transposed else -1]
    return 0
