"""Scoring with a streaming network: new frames and states in, decisions and states out. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from edge.frontend.samples import are_finite

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge.types import MelWindow, NetworkState


class Advance(Protocol):
    """A function that runs a streaming network on new frames."""

    def __call__(
        self, log_mel: NDArray[np.float32], state: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Process frames, shape (n, k * decision_frames, n_mels), after states, shape (n, state_size).

        Returns the probabilities of the decisions, shape (n, k, labels), and the new states.
        """


class _Stretch(NamedTuple):
    """The new frames and the state of one stretch of sound."""

    state: NetworkState
    before: NDArray[np.float32]
    """The state before the frames, shape (state_size,)."""
    frames: NDArray[np.float32]
    """New frames, shape (k * decision_frames, n_mels)."""
    positions: list[int]
    """Indices of its windows among all windows of the batch."""


def score_streams(
    windows: Sequence[MelWindow], advance: Advance, *, decision_frames: int, state_size: int
) -> NDArray[np.float32]:
    """Return the highest probabilities of each window's decisions, shape (n, labels).

    Stretches with the same number of frames share a run. Each gets its new state, or None if that is not finite. The
    first window of a stretch is processed whole from a zero state, including the silence before the stream or after a
    gap, like the input of a window network.
    """
    rows: dict[int, NDArray[np.float32]] = {}
    reached: list[tuple[NetworkState, NDArray[np.float32]]] = []
    for group in _group_by_length(windows, state_size).values():
        decisions, after = advance(
            _stack([stretch.frames for stretch in group]), _stack([stretch.before for stretch in group])
        )
        for index, stretch in enumerate(group):
            reached.append((stretch.state, after[index]))
            made, upto = decisions[index], decisions.shape[1]
            for position in reversed(stretch.positions):
                begin = upto - windows[position].new_frames // decision_frames
                rows[position] = made[begin] if upto - begin == 1 else made[begin:upto].max(axis=0)
                upto = begin
    # Only now, when nothing can fail any more: after an error every window can be scored again.
    for state, vector in reached:
        # A non-finite state would stay non-finite for ever; without a state, the stretch starts again from zero.
        state.vector = vector if are_finite(vector) else None
    return _stack([rows[position] for position in range(len(windows))])


def _group_by_length(windows: Sequence[MelWindow], state_size: int) -> dict[int, list[_Stretch]]:
    """Group the stretches by their number of new frames."""
    positions_by_state: dict[NetworkState, list[int]] = {}
    for position, window in enumerate(windows):
        positions_by_state.setdefault(window.state, []).append(position)
    groups: dict[int, list[_Stretch]] = {}
    for state, positions in positions_by_state.items():
        parts = [windows[position].features[-windows[position].new_frames :] for position in positions]
        before = state.vector
        if before is None:
            before, parts[0] = np.zeros(state_size, np.float32), windows[positions[0]].features
        frames = parts[0] if len(parts) == 1 else np.concatenate(parts)
        groups.setdefault(len(frames), []).append(_Stretch(state, before, frames, positions))
    return groups


def _stack(arrays: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Stack arrays without copying a single one, the usual case of a live stream."""
    return arrays[0][np.newaxis] if len(arrays) == 1 else np.stack(arrays)
