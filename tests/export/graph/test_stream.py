"""A streaming network as ONNX: the same decisions in any pieces, of any batch."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from edge.data import street_path
from edge.errors import DataError
from export.bundle.golden import compute_golden_features, cut_golden_waveform
from export.graph.fold import fold
from export.graph.onnx import (
    INPUT,
    OUTPUT,
    STATE,
    STATE_OUT,
    get_state_size,
    open_session,
    run_onnx,
    run_pieces,
    run_torch,
    to_onnx,
)
from export.graph.parity import compare_networks
from tests.support.networks import MODELS, PARAMS, make_trained_model, sequence
from tests.support.recordings import LABELS

STEP = PARAMS.decision_frames


class Running(nn.Module):
    """The smallest network of its kind: the mean of each step's frames and of the step before, weighed."""

    state_size = PARAMS.n_mels

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.weigh = nn.Linear(PARAMS.n_mels, 3)

    def sequence(self, log_mel: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        steps = log_mel.view(-1, log_mel.shape[1] // STEP, STEP, PARAMS.n_mels).mean(dim=2)
        joined = torch.cat((state.unsqueeze(1), steps), dim=1)
        return self.weigh(joined[:, :-1] + steps), joined[:, -1]

    def forward(self, log_mel: Tensor) -> Tensor:
        return self.sequence(log_mel, log_mel.new_zeros(len(log_mel), self.state_size))[0][:, -1]


@pytest.fixture(scope="module")
def model() -> nn.Module:
    """Return a streaming network of the registry."""
    return make_trained_model(MODELS["streaming"])


@pytest.fixture(scope="module")
def network(model: nn.Module) -> bytes:
    """Return it as ONNX."""
    return to_onnx(fold(model), PARAMS)


def test_inputs_and_outputs_are_those_of_the_service(network: bytes, model: nn.Module) -> None:
    """Features and state go in, logits and state come out; batch, frames and decisions are free."""
    opened = open_session(network)
    size = model.state_size
    assert [(node.name, node.shape[2:]) for node in opened.get_inputs()] == [(INPUT, [64]), (STATE, [])]
    assert [node.name for node in opened.get_outputs()] == [OUTPUT, STATE_OUT]
    assert opened.get_inputs()[1].shape == opened.get_outputs()[1].shape == ["batch", size]
    assert opened.get_outputs()[0].shape == ["batch", "decisions", len(LABELS)]
    assert get_state_size(opened) == size


def test_pieces_give_what_the_whole_gives(network: bytes, model: nn.Module) -> None:
    """One decision at a time, unequal pieces and all at once agree with PyTorch."""
    whole = sequence(9)
    wanted = run_torch(model, whole)
    opened = open_session(network)
    zeros = np.zeros((1, get_state_size(opened)), np.float32)
    for cuts in (range(STEP, 9 * STEP, STEP), [STEP, 5 * STEP]):
        pieces = np.split(whole, list(cuts), axis=1)
        assert np.allclose(run_pieces(opened, pieces, zeros), wanted, atol=1e-4)
    compare_networks(model, network, whole).check()


@pytest.mark.parametrize("kind", MODELS)
def test_real_sound_has_the_same_scores(kind: str) -> None:
    """On the street recording folding and ONNX stay within the limit, for either kind of network."""
    model = make_trained_model(MODELS[kind])
    waveform = cut_golden_waveform(street_path(), PARAMS.sample_rate_hz)
    _, features = compute_golden_features(waveform, PARAMS, streaming=kind == "streaming")
    compare_networks(model, to_onnx(fold(model), PARAMS), features).check()


def test_the_last_decision_is_what_a_window_gets(model: nn.Module) -> None:
    """`forward`, which is trained, equals the end of `sequence`, which is exported."""
    whole = sequence(PARAMS.window_frames // STEP)
    with torch.inference_mode():
        assert np.allclose(model(torch.from_numpy(whole)).numpy()[0], run_torch(model, whole)[-1], atol=1e-4)


def test_streams_of_a_batch_do_not_mix(network: bytes) -> None:
    """Two streams together have the results that each has alone."""
    both = np.concatenate([sequence(3, seed) for seed in (1, 2)])
    opened = open_session(network)
    state = np.zeros((2, get_state_size(opened)), np.float32)
    (logits,) = opened.run([OUTPUT], {INPUT: both, STATE: state})
    assert np.allclose(logits, [run_onnx(opened, part[None]) for part in both], atol=1e-5)


def test_a_state_that_is_wrong_is_seen(model: nn.Module, network: bytes) -> None:
    """The comparison in pieces fails where a network forgets: the whole alone would pass."""
    forgetful = onnx.load_from_string(network)
    for node in forgetful.graph.node:
        if node.output[0] == STATE_OUT:
            node.output[0] = "kept"
    forgetful.graph.initializer.append(onnx.numpy_helper.from_array(np.float32(0), "nothing"))
    forgetful.graph.node.append(onnx.helper.make_node("Mul", ["kept", "nothing"], [STATE_OUT]))
    assert np.allclose(run_onnx(forgetful.SerializeToString(), sequence(9)), run_torch(model, sequence(9)), atol=1e-4)
    with pytest.raises(DataError, match="the exported network differs"):
        compare_networks(model, forgetful.SerializeToString(), sequence(9)).check()


def test_shapes_are_worked_out_before_they_ship(network: bytes) -> None:
    """A network that cuts its state by computed places ships with constant ones; only the free axes are left to ask."""
    kinds = Counter(node.op_type for node in onnx.load_from_string(network).graph.node)
    assert not set(kinds) & {"Constant", "Identity", "If", "Cast", "Shape", "Gather", "Sub", "Mul"}
    asks = Running().eval()
    compare_networks(asks, to_onnx(asks, PARAMS), sequence(7)).check()


def test_shapes_are_written_down(network: bytes) -> None:
    """Both sides of each residual sum are known to be of one shape, which lets a runtime fuse it."""
    graph = onnx.load_from_string(network).graph
    shapes = {value.name: value.type.tensor_type.shape for value in graph.value_info}
    sums = [node.input for node in graph.node if node.op_type == "Add" and {*node.input} <= {*shapes}]
    assert len(sums) == 3
    assert all(shapes[left] == shapes[right] for left, right in sums)
