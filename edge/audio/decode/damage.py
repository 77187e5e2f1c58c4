"""Rejection of recordings with invalid samples, whose true values are unknown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge.errors import BrokenAudio
from edge.frontend.samples import LIMIT, are_valid

if TYPE_CHECKING:
    from numpy.typing import NDArray


def refuse_damage(samples: NDArray[np.float32], name: str, begin: int, rate_hz: int) -> None:
    """Raise `BrokenAudio` if a sample is invalid.

    The samples, shape (n,) or (n, channels), begin at sample `begin` of the recording `name`.
    """
    if are_valid(samples):
        return
    frames = samples.reshape(len(samples), -1)
    place, channel = np.argwhere(~(np.abs(frames) <= LIMIT))[0]
    value = frames[place, channel]
    far = bool(np.isfinite(value))
    what = f"{value:.3g}, where full scale is 1" if far else "not a number"
    msg = f"the file is damaged: its sample at {(begin + place) / rate_hz:.1f} s is {what}"
    raise BrokenAudio(msg, where=name, remedy="scale integer samples to full scale" if far else "")
