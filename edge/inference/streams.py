"""Feed a streaming network: each stretch's new frames and state go in, its decisions and next state come out. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from edge.frontend.samples import are_finite

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge.types import MelWindow, NetworkState


class Advance(Protocol):
    """Anything that lets a streaming network hear on."""

    def __call__(
        self, log_mel: NDArray[np.float32], state: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Take frames, shape (n, k * decision_frames, n_mels), that follow on states, shape (n, state_size).

        Returns the probabilities of the decisions, shape (n, k, labels), and the states after them.
        """


class _Turn(NamedTuple):
    """What one stretch has for the network."""

    state: NetworkState
    before: NDArray[np.float32]
    """What it remembers, shape (state_size,)."""
    frames: NDArray[np.float32]
    """Shape (k * decision_frames, n_mels)."""
    positions: list[int]
    """Of its windows among all that are scored."""


def score_streams(
    windows: Sequence[MelWindow], advance: Advance, *, decision_frames: int, state_size: int
) -> NDArray[np.float32]:
    """Return a row per window, shape (n, labels): the highest probabilities of the decisions in its new frames.

    Stretches with equally many frames share a run, and each gets its state back, unless that is no number. From a zero
    state, a stretch's first window is heard whole, with the silence before the stream or behind a gap: as a network for
    windows sees it.
    """
    rows: dict[int, NDArray[np.float32]] = {}
    reached: list[tuple[NetworkState, NDArray[np.float32]]] = []
    for turns in _alike(windows, state_size).values():
        decisions, after = advance(_stacked([turn.frames for turn in turns]), _stacked([turn.before for turn in turns]))
        for index, turn in enumerate(turns):
            reached.append((turn.state, after[index]))
            made, upto = decisions[index], decisions.shape[1]
            for position in reversed(turn.positions):
                begin = upto - windows[position].new_frames // decision_frames
                rows[position] = made[begin] if upto - begin == 1 else made[begin:upto].max(axis=0)
                upto = begin
    # Only now that nothing can fail any more: whoever tries again scores every window once.
    for state, vector in reached:
        # A state that is no number would stay so for ever; without one, the stretch begins anew.
        state.vector = vector if are_finite(vector) else None
    return _stacked([rows[position] for position in range(len(windows))])


def _alike(windows: Sequence[MelWindow], state_size: int) -> dict[int, list[_Turn]]:
    """Return the turns of all stretches, by their number of frames."""
    stretches: dict[NetworkState, list[int]] = {}
    for position, window in enumerate(windows):
        stretches.setdefault(window.state, []).append(position)
    turns: dict[int, list[_Turn]] = {}
    for state, positions in stretches.items():
        parts = [windows[position].features[-windows[position].new_frames :] for position in positions]
        before = state.vector
        if before is None:
            before, parts[0] = np.zeros(state_size, np.float32), windows[positions[0]].features
        frames = parts[0] if len(parts) == 1 else np.concatenate(parts)
        turns.setdefault(len(frames), []).append(_Turn(state, before, frames, positions))
    return turns


def _stacked(arrays: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Stack arrays; a single one, the usual case of a live stream, is not copied."""
    return arrays[0][np.newaxis] if len(arrays) == 1 else np.stack(arrays)
