"""Read and check a model bundle: a folder with `model.onnx`, `manifest.json` and `golden.npz`."""

from __future__ import annotations

import contextlib
import hashlib
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edge.errors import BundleError, reason_of
from edge.inference.golden import read_golden
from edge.inference.manifest import CLAPS, EVENTS, FORMAT, GOLDEN, MODEL, STREAMING, WINDOW, parse_manifest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from edge.frontend.params import FrontEndParams
    from edge.inference.golden import Golden
    from edge.inference.manifest import Manifest

__all__ = [
    "CLAPS",
    "EVENTS",
    "FORMAT",
    "GOLDEN",
    "MANIFEST",
    "MAX_BYTES",
    "MODEL",
    "OURS",
    "STREAMING",
    "WINDOW",
    "Bundle",
    "bad_bundle",
    "check_golden",
    "read_bundle",
    "read_manifest",
    "refusing",
    "require_task",
]

MANIFEST = "manifest.json"
MAX_BYTES = 512 << 20
"""Of all files of a bundle."""
_MANIFEST_BYTES = 1 << 20
_MAX_GOLDEN_VALUES = 16 << 20
"""In all windows of the golden recording, which overlap."""
OURS = (AssertionError, AttributeError, ImportError, NameError)
"""What no bundle can cause: it is a fault of the program, and must be seen as one."""


@dataclass(frozen=True)
class Bundle:
    """A model and everything needed to use it."""

    path: Path
    id: str
    version: str
    labels: tuple[str, ...]
    params: FrontEndParams
    scale: NDArray[np.float32]
    """Shape (labels,): probability = sigmoid(scale * logit + bias)."""
    bias: NDArray[np.float32]
    thresholds: Mapping[str, Mapping[str, float]]
    sha256: str
    """Of the network."""
    tolerance: Mapping[str, float]
    """Largest difference of ``mel`` and ``logits`` from the golden recording."""
    manifest: Mapping[str, Any]
    """As it was written."""
    golden: Golden
    task: str = EVENTS
    """What it is for."""
    network: str = WINDOW
    """Which kind `model.onnx` is."""
    state_size: int = 0
    """How many numbers a streaming network remembers of a stream; 0 for a window network."""

    @property
    def streaming(self) -> bool:
        """Whether the network goes on from its state."""
        return self.network == STREAMING

    @property
    def model_path(self) -> Path:
        """Where the network is."""
        return self.path / MODEL

    def calibrate(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probabilities of logits, both of shape (..., labels) (Platt 1999)."""
        z = np.maximum(logits * self.scale + self.bias, -30.0)  # beyond it the exponential may overflow
        return np.asarray(1.0 / (1.0 + np.exp(-z)), np.float32)


def read_bundle(path: Path) -> Bundle:
    """Read a bundle and check that it is whole: every file there, every sha256 right, every record consistent.

    Raises `BundleError` otherwise. Whether the network still computes what it should is `edge.inference.load`'s.
    """
    with refusing(path):
        said, written = read_manifest(path)
        for name, expected in said.sha256.items():
            if _sha256(path, name) != expected:
                raise bad_bundle(path, f"{name} differs from the exported file (sha256)")
        return Bundle(
            path=path,
            id=said.id,
            version=said.version,
            labels=tuple(said.labels),
            params=said.frontend,
            scale=np.asarray(said.calibration.scale, np.float32),
            bias=np.asarray(said.calibration.bias, np.float32),
            thresholds={label: pair.model_dump(exclude_none=True) for label, pair in said.thresholds.items()},
            sha256=said.sha256[MODEL],
            tolerance=said.golden_tolerance.model_dump(),
            manifest=written,
            golden=_golden(path, said),
            task=said.task,
            network=said.network,
            state_size=said.state_size or 0 if said.network == STREAMING else 0,
        )


@contextlib.contextmanager
def refusing(path: Path) -> Iterator[None]:
    """Turn whatever goes wrong with the bundle in `path` into `BundleError`, so that another one can take its place."""
    try:
        yield
    except (BundleError, *OURS):
        raise
    except Exception as exc:  # a bundle may come from anywhere, and a node must not end because of it
        raise bad_bundle(path, f"the bundle cannot be used ({_reason(exc, path)})") from exc


def read_manifest(path: Path) -> tuple[Manifest, dict[str, Any]]:
    """Return what the manifest of a bundle says, checked, and as it was written; raises `BundleError`."""
    if not path.is_dir():
        raise bad_bundle(path, "there is no such folder")
    try:
        _check_file(path, MANIFEST, _MANIFEST_BYTES)
        return parse_manifest((path / MANIFEST).read_bytes())
    except ValueError as exc:
        raise bad_bundle(path, f"{MANIFEST}: {exc}") from exc


def check_golden(bundle: Bundle, mel: NDArray[np.float32], logits: NDArray[np.float32]) -> None:
    """Compare features and logits computed here with the golden ones; raise `BundleError` beyond tolerance."""
    for name, ours, golden in (("mel", mel, bundle.golden.mel), ("logits", logits, bundle.golden.logits)):
        if ours.shape != golden.shape:
            raise bad_bundle(bundle.path, f"the golden {name} have shape {golden.shape}, but {ours.shape} here")
        worst = float(np.abs(ours - golden).max(initial=0.0))
        limit = bundle.tolerance[name]
        if not worst <= limit:  # also true for NaN
            raise bad_bundle(
                bundle.path, f"the {name} of the golden recording differ by {worst:.3g} (allowed: {limit:.3g})"
            )


def require_task(bundle: Bundle, task: str) -> None:
    """Raise `BundleError` for a bundle that is for something else."""
    if bundle.task != task:
        setting = "claps.bundle" if bundle.task == CLAPS else "model.bundle"
        msg = f"the bundle is for {bundle.task}, not for {task}"
        raise BundleError(msg, where=f"model bundle {bundle.path}", remedy=f"name it in {setting}")


def bad_bundle(path: Path, what: str) -> BundleError:
    """Return the error of a bundle that cannot be used."""
    remedy = "export it again, or choose another with 'tocsin model activate'"
    return BundleError(what, where=f"model bundle {path}", remedy=remedy)


def _reason(exc: Exception, path: Path) -> str:
    """Return the reason of an error in the bundle at `path`, whose files it names without their folder."""
    return reason_of(exc).replace(f"{path}/", "")[:200]


def _check_file(path: Path, name: str, most: int) -> None:
    """Raise `BundleError` unless a file of a bundle can be read from beginning to end, and soon."""
    try:
        status = (path / name).stat()
    except FileNotFoundError as exc:
        raise bad_bundle(path, f"{name} is missing") from exc
    except OSError as exc:
        raise bad_bundle(path, f"{name} cannot be read ({exc.strerror})") from exc
    if not stat.S_ISREG(status.st_mode) or status.st_size > most:
        raise bad_bundle(path, f"{name} must be a plain file of at most {most >> 20} MiB")


def _sha256(path: Path, name: str) -> str:
    _check_file(path, name, MAX_BYTES)
    digest = hashlib.sha256()
    try:
        with (path / name).open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    except OSError as exc:
        raise bad_bundle(path, f"{name} cannot be read ({exc.strerror})") from exc
    return digest.hexdigest()


def _golden(path: Path, said: Manifest) -> Golden:
    try:
        golden = read_golden(path / GOLDEN)
    except (OSError, ValueError, EOFError) as exc:
        raise bad_bundle(path, f"{GOLDEN} cannot be read ({_reason(exc, path)})") from exc
    if what := _misfit(golden, said):
        raise bad_bundle(path, f"{GOLDEN} {what}")
    return golden


def _misfit(golden: Golden, said: Manifest) -> str:
    """Return how a golden recording does not fit its manifest; nothing where it does."""
    params = said.frontend
    shapes_fit = golden.waveform.ndim == 1 and golden.mel.shape[1:] == (params.n_mels,)
    if not shapes_fit or golden.logits.shape[1:] != (len(said.labels),) or not len(golden.logits):
        return "does not fit the manifest's front end and labels"
    decisions = len(golden.mel) // params.decision_frames
    if said.network == STREAMING and len(golden.logits) != decisions:
        made = f"{len(golden.logits)} decisions in {len(golden.mel)} frames"
        return f"has {made}, where the manifest's decision_frames make {decisions}"
    if len(golden.mel) != params.count_frames(golden.waveform.size):
        return (
            f"has {len(golden.mel)} frames of {golden.waveform.size} samples, where the manifest's front end does not"
        )
    if said.network == WINDOW and decisions * params.window_frames * params.n_mels > _MAX_GOLDEN_VALUES:
        return "is too long for windows of this size"
    return ""
