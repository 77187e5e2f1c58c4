"""Scores of whole clips, on the service's grid of windows."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import torch
from tqdm import tqdm

from training.models.streamnet import Streaming

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray
    from torch import nn

    from edge.frontend.params import FrontEndParams
    from training.data.features import FeatureStore
    from training.data.manifest import Clip

_BATCH = 256


def cut_windows(mel: NDArray[np.float32], params: FrontEndParams, hop_frames: int) -> NDArray[np.float32]:
    """Return overlapping windows of a clip, shape (windows, window_frames, n_mels).

    A clip shorter than a window gives one, with the clip at its end, as for a sound that begins a stream in the
    service.
    """
    missing = params.window_frames - len(mel)
    if missing > 0:
        mel = np.pad(mel, ((missing, 0), (0, 0)), constant_values=params.silence)
    view = np.lib.stride_tricks.sliding_window_view(mel, params.window_frames, axis=0)[::hop_frames]
    return np.array(view.transpose(0, 2, 1))


@torch.inference_mode()
def compute_logits(model: nn.Module, windows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the logits, (windows, labels), of windows (windows, frames, n_mels)."""
    parts = [model(torch.from_numpy(windows[at : at + _BATCH])).numpy() for at in range(0, len(windows), _BATCH)]
    return np.concatenate(parts)


@torch.inference_mode()
def stream_logits(model: Streaming, mel: NDArray[np.float32], params: FrontEndParams) -> NDArray[np.float32]:
    """Return the logits, (decisions, labels), of a streaming network on a clip.

    As in the service, silence precedes the clip. Only decisions after a whole window of the clip count, as in
    `cut_windows`, or the last one of a shorter clip.
    """
    step, window = params.decision_frames, params.window_frames
    before = window - step + (-len(mel) % step if len(mel) < window else 0)
    mel = np.pad(mel, ((before, 0), (0, 0)), constant_values=params.silence)
    whole = torch.from_numpy(mel[: len(mel) // step * step])[None]
    logits, _ = model.sequence(whole, torch.zeros(1, model.state_size))
    first = min(len(mel), before + window) // step - 1
    return np.asarray(logits[0, first:].numpy(), np.float32)


@dataclasses.dataclass(frozen=True, slots=True)
class ClipScores:
    """Logits of every window of some clips."""

    clips: list[Clip]
    windows: list[NDArray[np.float32]]
    """For each clip, shape (windows, labels)."""

    def pool(self) -> NDArray[np.float64]:
        """Return one score per clip, shape (clips, labels).

        It is the generalised mean, of power 1/2, of the odds of the windows: between the maximum, which one error
        decides, and the average, in which a single shot disappears.
        """
        halves = [logits.astype(np.float64) / 2.0 for logits in self.windows]
        highest = [half.max(axis=0) for half in halves]
        means = [np.log(np.exp(half - top).mean(axis=0)) + top for half, top in zip(halves, highest, strict=True)]
        return np.asarray(1.0 / (1.0 + np.exp(-2.0 * np.stack(means))))


def score_clips(model: nn.Module, clips: Iterable[Clip], store: FeatureStore, hop_frames: int) -> ClipScores:
    """Score whole clips by a network in evaluation mode, a window every `hop_frames`.

    A streaming network decides every `decision_frames` of its front end; of those decisions, every `hop_frames` /
    `decision_frames`-th is taken.
    """
    clips = list(clips)
    model.eval()
    bar = tqdm(clips, desc="score", unit="clip", disable=None, leave=False)
    return ClipScores(clips, [compute_clip_logits(model, store.get(clip), store.params, hop_frames) for clip in bar])


def compute_clip_logits(
    model: nn.Module, mel: NDArray[np.float32], params: FrontEndParams, hop_frames: int
) -> NDArray[np.float32]:
    """Return the logits, (decisions, labels), of a clip's features (frames, n_mels)."""
    if isinstance(model, Streaming):
        return stream_logits(model, mel, params)[:: max(1, hop_frames // params.decision_frames)]
    return compute_logits(model, cut_windows(mel, params, hop_frames))
