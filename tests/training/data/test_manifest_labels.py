"""Clips with several labels, from the draw to the figures."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from edge.frontend.mel import log_mel
from edge.frontend.params import FrontEndParams
from training.config import Config, DataConfig
from training.data.features import FeatureStore
from training.data.manifest import Clip
from training.learn.sampler import CropSampler, make_pool
from training.measure.calibration import label_windows
from training.measure.evaluation import Evaluator, evaluate

PARAMS = FrontEndParams()
LABELS = ("clap", "horn", "rain")


def make_store(waves: list[np.ndarray]) -> FeatureStore:
    """Return a store of these sounds."""
    mels = [log_mel(wave.astype(np.float32), PARAMS) for wave in waves]
    offsets = np.cumsum([0] + [len(mel) for mel in mels])
    return FeatureStore(np.concatenate(mels).astype(np.float16), offsets, PARAMS)


def clip(index: int, *labels: str) -> Clip:
    return Clip(index, f"{index}.wav", labels[0], "c", f"g{index}", "", "", "", 2.0, others=labels[1:])


def clap_in_rain() -> np.ndarray:
    """Return three seconds of noise with a click at two."""
    rng = np.random.default_rng(1)
    wave = rng.normal(0, 0.02, 48_000)
    wave[32_000:32_800] += rng.normal(0, 0.3, 800)
    return wave


def test_every_label_of_a_clip_is_a_target() -> None:
    """Both hold in each window that is drawn, the third does not."""
    sampler = CropSampler(
        make_pool(make_store([clap_in_rain()]), [clip(0, "rain", "clap")]), LABELS, None, None, Config(), {}
    )
    drawn = sampler.draw(5, torch.Generator().manual_seed(1))
    assert drawn.target.tolist() == [[1.0, 0.0, 1.0]] * 5


def test_each_label_holds_where_its_kind_of_sound_is() -> None:
    """The rain is in all windows; the clap in those with its onset, and of unknown truth in the others."""
    config = Config(DataConfig(impulsive={"clap": 1.0}))
    truth = label_windows(clip(0, "rain", "clap"), LABELS, make_store([clap_in_rain()]), None, config, 8)
    assert (truth[:, 2] == 1).all()
    assert np.isnan(truth[:3, 0]).all()
    assert (truth[-3:, 0] == 1).all()
    assert (truth[:, 1] == 0).all()


class Loudness(nn.Module):
    """Takes every label for there where it is loud."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features.mean(dim=(1, 2))[:, None].expand(-1, len(LABELS))


def test_a_clip_counts_for_each_of_its_labels() -> None:
    """It is a hit of both, and ambience of neither."""
    store = make_store([clap_in_rain(), 1e-4 * clap_in_rain()])
    clips = [clip(0, "rain", "clap"), clip(1, "horn")]
    judge = Evaluator(LABELS, store, None, Config(DataConfig(background=("rain",))))
    figures = evaluate(Loudness(), {"train": [], "validation": clips, "test": clips}, judge).figures
    assert [figures[label]["clips"] for label in LABELS] == [1, 1, 1]
    assert figures["rain"]["average_precision"] == figures["clap"]["average_precision"] == 1.0
    assert figures["horn"]["average_precision"] == 0.5
    assert figures["clap"]["ambience_hours"] == 0.0
    assert figures["horn"]["ambience_hours"] > 0
