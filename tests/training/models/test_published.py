"""The networks of the literature are the published ones."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, batch_norm, conv2d, linear, relu

from edge.errors import ConfigError
from export.graph.fold import fold
from training.config import ModelConfig
from training.models import build_model
from training.models.mobilenet import make_published_table, round_to_8


def parameters(model: nn.Module) -> int:
    return sum(value.numel() for value in model.parameters())


def stored(model: nn.Module) -> int:
    """Count as the authors of SP4SC do: running statistics and counters of the norms are numbers, too."""
    return sum(value.numel() for value in model.state_dict().values())


@pytest.mark.parametrize(
    ("name", "n_mels", "count", "in_file", "once_folded"),
    [
        ("sp4sc", 256, 62_922, 64_335, 62_474),
        ("cnn6", 64, 4_572_234, 4_574_287, 4_571_274),
        ("resnet34", 64, 21_283_530, 21_300_590, 21_275_018),
    ],
)
def test_the_size_for_ten_labels_is_the_published_one(
    name: str, n_mels: int, count: int, in_file: int, once_folded: int
) -> None:
    """Parameters, numbers in a checkpoint, and numbers once the norms are folded."""
    model = build_model(ModelConfig(name=name), n_mels, 10)
    assert (parameters(model), stored(model)) == (count, in_file)
    assert stored(fold(model)) == once_folded


def test_resnet34_differs_from_that_for_images_by_channels_and_classes_only() -> None:
    """With a thousand labels it lacks nothing but two channels of the first kernel."""
    assert parameters(build_model(ModelConfig(name="resnet34"), 64, 1000)) == 21_797_672 - 2 * 64 * 7 * 7


@pytest.mark.parametrize(("width", "count"), [(1.0, 2_223_872), (0.5, 687_680)])
def test_mobilenet_has_the_published_blocks_at_any_width(width: float, count: int) -> None:
    """The paper's features for three channels, without their last convolution, which belongs to the head here."""
    stem, stages, head = make_published_table(width)
    last = stages[-1].channels * head + 2 * head
    model = build_model(ModelConfig(name="mobilenet", width=width), 64, 10)
    assert parameters(model.get_submodule("features")) == count - last - 2 * stem * 3 * 3


def test_own_stages_take_the_place_of_the_published_table() -> None:
    """A recipe with a table of its own is not widened or rounded."""
    config = ModelConfig(name="mobilenet", stages=make_published_table(0.25)[1], stem=12, head=20)
    model = build_model(config, 64, 10)
    first, widest = model.get_submodule("features.0.0"), model.get_submodule("head.widen.0")
    assert [first.out_channels, widest.out_channels] == [12, 20]


@pytest.mark.parametrize(
    ("channels", "rounded"), [(1, 8), (8, 8), (11.2, 16), (12, 16), (24, 24), (33.6, 32), (44.8, 48)]
)
def test_channels_are_multiples_of_8(channels: float, rounded: int) -> None:
    """Rounding removes a tenth at most, and 8 is the minimum."""
    assert round_to_8(channels) == rounded


def test_a_width_of_nothing_is_refused() -> None:
    """The key is named."""
    with pytest.raises(ConfigError, match=r"model\.width: 0 must be above 0"):
        make_published_table(0)


def slow_sp4sc(weights: dict[str, Tensor], log_mel: Tensor) -> Tensor:
    """Compute SP4SC in evaluation, layer by layer as in its paper."""

    def normed(x: Tensor, at: str) -> Tensor:
        mean, variance = weights[f"{at}.running_mean"], weights[f"{at}.running_var"]
        return batch_norm(x, mean, variance, weights[f"{at}.weight"], weights[f"{at}.bias"])

    x = normed(log_mel[:, None].transpose(1, 3), "norm").transpose(1, 3)
    for block in range(4):
        at = f"features.{block}"
        x = conv2d(x, weights[f"{at}.0.weight"])
        along_time = conv2d(x, weights[f"{at}.1.branches.0.weight"], padding=(2, 0), dilation=(2, 1), groups=x.shape[1])
        along_mel = conv2d(x, weights[f"{at}.1.branches.1.weight"], padding=(0, 2), dilation=(1, 2), groups=x.shape[1])
        x = avg_pool2d(relu(normed(along_time + along_mel, f"{at}.1.norm")), 2)
    x = x.mean(dim=3)
    x = x.amax(dim=2) + x.mean(dim=2)
    x = relu(linear(x, weights["head.dense.1.weight"], weights["head.dense.1.bias"]))
    return linear(x, weights["head.dense.4.weight"], weights["head.dense.4.bias"])


def test_sp4sc_computes_the_network_of_its_paper() -> None:
    """The network equals its layers written out, with every weight and statistic at random."""
    torch.manual_seed(2)
    model = build_model(ModelConfig(name="sp4sc"), 40, 3).eval()
    weights = {
        key: torch.rand_like(value) + 0.1 for key, value in model.state_dict().items() if value.is_floating_point()
    }
    model.load_state_dict(weights, strict=False)
    log_mel = torch.randn(2, 50, 40)
    assert torch.allclose(model(log_mel), slow_sp4sc(weights, log_mel), rtol=1e-4)
