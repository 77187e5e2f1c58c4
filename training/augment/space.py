"""Propagation through air and rooms, on the power of mel bands."""

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
    """Attenuate samples from a distance of 1 m to `metres`, shape (batch,).

    The loss is 1 / r, and the absorption of each band by air of 15 degrees and 60 % humidity (ISO 9613-1).
    """
    metres = metres.clamp_min(1.0)[:, None]
    per_m = torch.from_numpy(air_absorption_db_per_m(band_centres_hz(params).numpy())).to(power.dtype)  # (mels,)
    return power * from_db(-per_m * metres - 20.0 * torch.log10(metres))[:, None, :]


def apply_response(power: Tensor, response: NDArray[np.float32], params: FrontEndParams) -> Tensor:
    """Apply an impulse response to samples of shape (batch, frames, mels).

    The response is at the front end's rate. Echoes add as power, hop by hop: right for the tail of a room or street
    (`training.sound.rooms`), but without the comb filter of the earliest reflections.
    """
    hop = params.hop_samples
    hops = np.square(np.pad(response, (0, -response.size % hop))).reshape(-1, hop).sum(axis=1)
    out = torch.zeros_like(power)
    for delay, energy in enumerate(hops[: power.shape[1]].tolist()):
        out[:, delay:] += energy * power[:, : power.shape[1] - delay]
    return out
