"""Air and walls between a source and a microphone, on the power of mel bands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from training.augment.colour import band_centres_hz
from training.augment.power import from_db
from training.sound.rooms import air_absorption_db_per_m

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from edge.frontend.params import FrontEndParams


def simulate_distance(power: Tensor, metres: Tensor, params: FrontEndParams) -> Tensor:
    """Return samples that were recorded 1 m away as they are `metres`, shape (batch,), away.

    By 1 / r, and by what air of 15 degrees and 60 % humidity takes from each band (ISO 9613-1).
    """
    metres = metres.clamp_min(1.0)[:, None]
    per_m = torch.from_numpy(air_absorption_db_per_m(band_centres_hz(params).numpy())).to(power.dtype)  # (mels,)
    return power * from_db(-per_m * metres - 20.0 * torch.log10(metres))[:, None, :]


def apply_response(power: Tensor, response: NDArray[np.float32], params: FrontEndParams) -> Tensor:
    """Return samples, shape (batch, frames, mels), as heard through an impulse response at the front end's rate.

    Echoes add as power, hop by hop: right for a room's and a street's tail (`training.sound.rooms`), blind to the comb
    that the earliest reflections make.
    """
    hop = params.hop_samples
    hops = np.square(np.pad(response, (0, -response.size % hop))).reshape(-1, hop).sum(axis=1)
    out = torch.zeros_like(power)
    for delay, energy in enumerate(hops[: power.shape[1]].tolist()):
        out[:, delay:] += energy * power[:, : power.shape[1] - delay]
    return out
