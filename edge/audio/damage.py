"""What a recording may hold: a damaged one is refused, for what was in place of a bad sample nobody knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge.errors import BrokenAudio
from edge.frontend.samples import LIMIT, are_sound

if TYPE_CHECKING:
    from numpy.typing import NDArray


def refuse_damage(samples: NDArray[np.float32], name: str, begin_s: float) -> None:
    """Raise `BrokenAudio` for samples that cannot be sound; they begin at `begin_s` of the recording `name`."""
    if are_sound(samples):
        return
    if np.isfinite(samples).all():
        worst = float(np.abs(samples).max())
        what = f"samples of up to {worst:.3g}, where full scale is 1; scale them to that, or to at most {LIMIT:g}"
    else:
        what = "values that are no numbers"
    msg = f"{name} is damaged: beyond {begin_s:.1f} s it has {what}"
    raise BrokenAudio(msg)
