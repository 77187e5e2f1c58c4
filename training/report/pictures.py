"""Pictures of windows with saliency maps.

They show the surest hits, the worst misses and the worst false alarms.
"""

from __future__ import annotations

import dataclasses
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np

from training.measure.explain import grad_cam
from training.measure.scoring import compute_logits, cut_windows
from training.measure.trial import mark_label

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from torch import nn

    from training.data.features import FeatureStore
    from training.data.manifest import Clip
    from training.measure.trial import Trial

HIT, MISS, FALSE_ALARM = "hit", "miss", "false alarm"
_HEAT_COLOUR = (255, 122, 0)
_STRONGEST = 0.75
"""Largest opacity of the heat."""
_WHITE, _DARKEST = 235.0, 0.3
"""Grey value of the loudest place, and the share of its colour that heat keeps in the quietest."""


@dataclasses.dataclass(frozen=True, slots=True)
class Picture:
    """One window of a clip: its log-mel in grey, its saliency in orange."""

    label: str
    kind: str
    """`HIT`, `MISS` or `FALSE_ALARM`."""
    caption: str
    png: bytes
    """A column per frame, a row per mel band, low pitch at the bottom."""


def draw_pictures(
    model: nn.Module, trial: Trial, labels: Sequence[str], events: Sequence[str], store: FeatureStore, each: int = 3
) -> list[Picture]:
    """Draw up to `each` hits, misses and false alarms of every event in a trial.

    Each is of another recording. A hit or false alarm has a decision at or above the threshold `on`, a miss has none.
    The window is the one with the clip's highest score. Raises what `grad_cam` does.
    """
    made = []
    for event in events:
        column = labels.index(event)
        for kind, clip, chance in _choose_clips(trial, event, column, each):
            windows = cut_windows(store.get(clip), store.params, store.params.decision_frames)
            window = windows[int(compute_logits(model, windows)[:, column].argmax())]
            heat = grad_cam(model, window, column)
            really = f", {' and '.join(clip.labels)}" if kind == FALSE_ALARM else ""
            caption = f"{chance:.2f}{really}: {clip.name}, {clip.corpus}"
            made.append(Picture(event, kind, caption, _encode_png(_overlay(window, heat))))
    return made


def _choose_clips(trial: Trial, event: str, column: int, each: int) -> Iterator[tuple[str, Clip, float]]:
    holds = mark_label(trial.scored.clips, event)
    highest = np.array([chance[:, column].max() for chance in trial.chances])
    alarm = highest >= trial.thresholds[event]["on"]
    order = np.argsort(-highest, kind="stable")
    for kind, fits, ranked in (
        (HIT, holds & alarm, order),
        (MISS, holds & ~alarm, order[::-1]),
        (FALSE_ALARM, ~holds & alarm, order),
    ):
        seen: set[str] = set()
        for place in ranked:
            clip = trial.scored.clips[place]
            if fits[place] and clip.group not in seen and len(seen) < each:
                seen.add(clip.group)
                yield kind, clip, float(highest[place])


def _overlay(mel: NDArray[np.float32], heat: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return pixels, (n_mels, frames, 3), of features and heat, (frames, n_mels)."""
    low, high = float(mel.min()), float(mel.max())
    grey = np.repeat(((mel - low) / max(high - low, 1e-6) * _WHITE)[..., None], 3, axis=2)
    cover = (heat * _STRONGEST)[..., None]
    colour = np.array(_HEAT_COLOUR) * (_DARKEST + (1.0 - _DARKEST) * grey / _WHITE)  # the sound stays visible
    pixels = grey * (1.0 - cover) + colour * cover
    return np.ascontiguousarray(pixels.transpose(1, 0, 2)[::-1].round().astype(np.uint8))


def _encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """Return pixels of shape (height, width, 3) as a PNG file (RFC 2083)."""

    def make_chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)  # each row is stored unfiltered
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + make_chunk(b"IHDR", header)
        + make_chunk(b"IDAT", zlib.compress(rows, 9))
        + make_chunk(b"IEND", b"")
    )
