"""8-bit networks: their scales, and the comparison with the original."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import pytest

from edge.errors import DataError
from export.graph.fold import fold
from export.graph.int8 import Comparison, make_feeds, quantize
from export.graph.onnx import INPUT, STATE, run_onnx, run_torch, to_onnx
from export.graph.parity import find_largest_change
from tests.support.networks import PARAMS, make_small_checkpoint, sequence

CLIPS = [sequence(30, seed)[0] for seed in range(3)]


@pytest.fixture(scope="module", params=["window", "streaming"])
def network(request: pytest.FixtureRequest) -> bytes:
    """Return a network of either kind as ONNX."""
    return to_onnx(fold(make_small_checkpoint(request.param).model), PARAMS)


def test_products_become_8_bit_and_the_rest_stays(network: bytes) -> None:
    """Every convolution reads 8-bit numbers with a scale for each channel; the results hardly change."""
    small = quantize(network, make_feeds(network, CLIPS, PARAMS))
    graph = onnx.load_from_string(small).graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    made_by = {node.output[0]: node for node in graph.node}
    for conv in (node for node in graph.node if node.op_type == "Conv"):
        feeding = made_by[conv.input[1]]
        assert feeding.op_type == "DequantizeLinear"
        assert weights[feeding.input[0]].data_type == onnx.TensorProto.INT8
        assert list(weights[feeding.input[1]].dims) == [weights[feeding.input[0]].dims[0]]
    streaming = any(node.name == STATE for node in graph.input)
    features = sequence(12) if streaming else sequence(12).reshape(1, 96, 64)
    assert 0 < find_largest_change(run_onnx(network, features), run_onnx(small, features)) < 0.1


def test_for_tensorrt_ranges_are_around_zero_and_biases_floats(network: bytes) -> None:
    """Its parser takes a zero point of zero only, and no whole-number bias."""
    graph = onnx.load_from_string(quantize(network, make_feeds(network, CLIPS, PARAMS), for_tensorrt=True)).graph
    values = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    steps = [node for node in graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert Counter(node.op_type for node in steps)["QuantizeLinear"] > 0
    assert all(not values[node.input[2]].any() and values[node.input[2]].dtype == np.int8 for node in steps)


def test_a_stream_is_calibrated_with_the_state_it_would_have() -> None:
    """The second piece of a clip has the state after the first; the first piece of a clip an empty one."""
    model = make_small_checkpoint("streaming").model
    network = to_onnx(fold(model), PARAMS)
    feeds = list(make_feeds(network, CLIPS[:2], PARAMS))
    assert [feed[INPUT].shape for feed in feeds] == [(1, 64, 64)] * 6
    assert [bool(feed[STATE].any()) for feed in feeds] == [False, True, True] * 2
    assert np.isfinite(run_torch(model, feeds[0][INPUT])).all()


def test_clips_without_a_window_are_refused(network: bytes) -> None:
    """Without data for the scales there is an error, not a division by 0."""
    with pytest.raises(DataError, match="no training clip is as long as a window"):
        quantize(network, make_feeds(network, [CLIPS[0][:5]], PARAMS))


@pytest.mark.parametrize(
    ("int8_ms", "int8_map", "ships", "said"),
    [
        (0.2, 0.800, True, "faster here and loses 0.00 points"),
        (0.2, 0.796, True, "faster here and loses 0.40 points"),
        (0.2, 0.790, False, "faster here and loses 1.00 points"),
        (0.4, 0.810, False, "not faster here and gains 1.00 points"),
    ],
)
def test_it_pays_if_it_is_faster_and_loses_little(int8_ms: float, int8_map: float, ships: bool, said: str) -> None:
    """Both must hold, and the table has both."""
    verdict = Comparison(float_ms=0.3, int8_ms=int8_ms, float_map=0.8, int8_map=int8_map)
    assert verdict.pays is ships
    assert said in str(verdict)
    assert f"| int8 | {int8_ms:.3f} | {int8_map:.4f} |" in str(verdict)
