"""Input and output shapes of a network according to its manifest. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.inference.bundle import bad_bundle

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edge.inference.bundle import Bundle

    Shape = Sequence[int | str | None]


def check_shapes(bundle: Bundle, theirs: Mapping[str, Shape]) -> None:
    """Raise `BundleError` unless inputs and outputs of the network match the manifest.

    Names, order and sizes must match. A symbolic size of the network matches any number. A size that varies, such as
    the number of streams, must be symbolic: the golden recording is a single stream and cannot test it.
    """
    ours = _list_shapes(bundle)
    if list(theirs) != list(ours):
        what = f"a {bundle.network} network has {', '.join(ours)}, but model.onnx has {', '.join(theirs)}"
        raise bad_bundle(bundle.path, f"{what}: its manifest belongs to another network")
    for name, shape in ours.items():
        if not _match_shapes(theirs[name], shape):
            what = f"{name} of model.onnx has shape {_shown(theirs[name])}, by the manifest it is {_shown(shape)}"
            raise bad_bundle(bundle.path, what)


def _list_shapes(bundle: Bundle) -> dict[str, tuple[int | None, ...]]:
    """Return the shapes of inputs and outputs; None means any size."""
    params, labels, size = bundle.params, len(bundle.labels), bundle.state_size
    if bundle.streaming:
        return {
            "log_mel": (None, None, params.n_mels),
            "state": (None, size),
            "logits": (None, None, labels),
            "state_out": (None, size),
        }
    return {"log_mel": (None, params.window_frames, params.n_mels), "logits": (None, labels)}


def _match_shapes(theirs: Shape, ours: Sequence[int | None]) -> bool:
    sized = zip(theirs, ours, strict=False)
    return len(theirs) == len(ours) and all(a == b or not isinstance(a, int) for a, b in sized)


def _shown(shape: Shape) -> str:
    return f"({', '.join('any' if size is None else str(size) for size in shape)})"
