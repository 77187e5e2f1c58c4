"""Model bundles: folders with `model.onnx`, `manifest.json` and `golden.npz`."""

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
    "PROGRAM_ERRORS",
    "STREAMING",
    "WINDOW",
    "Bundle",
    "bad_bundle",
    "check_golden",
    "convert_errors",
    "read_bundle",
    "read_manifest",
    "require_task",
]

MANIFEST = "manifest.json"
MAX_BYTES = 512 << 20
"""Maximum size of all files of a bundle."""
_MANIFEST_BYTES = 1 << 20
_MAX_GOLDEN_VALUES = 16 << 20
"""Maximum number of values in all (overlapping) windows of the golden recording."""
PROGRAM_ERRORS = (AssertionError, AttributeError, ImportError, NameError)
"""Exceptions that no bundle can cause: they are bugs and must not be hidden."""


@dataclass(frozen=True)
class Bundle:
    """A network with labels, front end, calibration, thresholds and golden recording."""

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
    """Checksum of the network."""
    tolerance: Mapping[str, float]
    """Maximum difference of ``mel`` and ``logits`` from the golden recording."""
    manifest: Mapping[str, Any]
    """The manifest as written."""
    golden: Golden
    task: str = EVENTS
    """`EVENTS` or `CLAPS`."""
    network: str = WINDOW
    """`WINDOW` or `STREAMING`."""
    state_size: int = 0
    """Size of a streaming network's state; 0 for a window network."""

    @property
    def streaming(self) -> bool:
        """Whether the network continues from a state."""
        return self.network == STREAMING

    @property
    def model_path(self) -> Path:
        """The file of the network."""
        return self.path / MODEL

    def calibrate(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Convert logits to probabilities, both of shape (..., labels) (Platt 1999)."""
        z = np.maximum(logits * self.scale + self.bias, -30.0)  # beyond it the exponential may overflow
        return np.asarray(1.0 / (1.0 + np.exp(-z)), np.float32)


def read_bundle(path: Path) -> Bundle:
    """Read a bundle and check its files, their sha256 and the manifest.

    Raises `BundleError`. `edge.inference.load` checks the output of the network.
    """
    with convert_errors(path):
        manifest, written = read_manifest(path)
        for name, expected in manifest.sha256.items():
            if _hash_file(path, name) != expected:
                raise bad_bundle(path, f"{name} differs from the exported file (sha256)")
        return Bundle(
            path=path,
            id=manifest.id,
            version=manifest.version,
            labels=tuple(manifest.labels),
            params=manifest.frontend,
            scale=np.asarray(manifest.calibration.scale, np.float32),
            bias=np.asarray(manifest.calibration.bias, np.float32),
            thresholds={label: pair.model_dump(exclude_none=True) for label, pair in manifest.thresholds.items()},
            sha256=manifest.sha256[MODEL],
            tolerance=manifest.golden_tolerance.model_dump(),
            manifest=written,
            golden=_read_golden(path, manifest),
            task=manifest.task,
            network=manifest.network,
            state_size=manifest.state_size or 0 if manifest.network == STREAMING else 0,
        )


@contextlib.contextmanager
def convert_errors(path: Path) -> Iterator[None]:
    """Turn any error of the bundle in `path` into `BundleError`.

    Its users then fall back to another bundle. `PROGRAM_ERRORS` pass.
    """
    try:
        yield
    except (BundleError, *PROGRAM_ERRORS):
        raise
    except Exception as exc:  # a bundle may come from anywhere, and a node must not end because of it
        raise bad_bundle(path, f"the bundle cannot be used ({_reason(exc, path)})") from exc


def read_manifest(path: Path) -> tuple[Manifest, dict[str, Any]]:
    """Return the manifest of a bundle, validated and as written; raises `BundleError`."""
    if not path.is_dir():
        raise bad_bundle(path, "there is no such folder")
    try:
        _check_file(path, MANIFEST, _MANIFEST_BYTES)
        return parse_manifest((path / MANIFEST).read_bytes())
    except ValueError as exc:
        raise bad_bundle(path, f"{MANIFEST}: {exc}") from exc


def check_golden(bundle: Bundle, mel: NDArray[np.float32], logits: NDArray[np.float32]) -> None:
    """Compare features and logits with the golden ones; raises `BundleError` beyond tolerance."""
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
    """Raise `BundleError` for a bundle with another task."""
    if bundle.task != task:
        setting = "claps.bundle" if bundle.task == CLAPS else "model.bundle"
        msg = f"the bundle is for {bundle.task}, not for {task}"
        raise BundleError(msg, where=f"model bundle {bundle.path}", remedy=f"name it in {setting}")


def bad_bundle(path: Path, what: str) -> BundleError:
    """Return the error for an unusable bundle, with place and remedy."""
    remedy = "export it again, or choose another with 'tocsin model activate'"
    return BundleError(what, where=f"model bundle {path}", remedy=remedy)


def _reason(exc: Exception, path: Path) -> str:
    """Return the reason of an error, with file names relative to `path`."""
    return reason_of(exc).replace(f"{path}/", "")[:200]


def _check_file(path: Path, name: str, most: int) -> None:
    """Raise `BundleError` unless a file is a regular file of limited size."""
    try:
        status = (path / name).stat()
    except FileNotFoundError as exc:
        raise bad_bundle(path, f"{name} is missing") from exc
    except OSError as exc:
        raise bad_bundle(path, f"{name} cannot be read ({exc.strerror})") from exc
    if not stat.S_ISREG(status.st_mode) or status.st_size > most:
        raise bad_bundle(path, f"{name} must be a plain file of at most {most >> 20} MiB")


def _hash_file(path: Path, name: str) -> str:
    _check_file(path, name, MAX_BYTES)
    digest = hashlib.sha256()
    try:
        with (path / name).open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    except OSError as exc:
        raise bad_bundle(path, f"{name} cannot be read ({exc.strerror})") from exc
    return digest.hexdigest()


def _read_golden(path: Path, manifest: Manifest) -> Golden:
    try:
        golden = read_golden(path / GOLDEN)
    except (OSError, ValueError, EOFError) as exc:
        raise bad_bundle(path, f"{GOLDEN} cannot be read ({_reason(exc, path)})") from exc
    if what := _explain_misfit(golden, manifest):
        raise bad_bundle(path, f"{GOLDEN} {what}")
    return golden


def _explain_misfit(golden: Golden, manifest: Manifest) -> str:
    """Return how a golden recording contradicts the manifest; empty if it does not."""
    params = manifest.frontend
    shapes_fit = golden.waveform.ndim == 1 and golden.mel.shape[1:] == (params.n_mels,)
    if not shapes_fit or golden.logits.shape[1:] != (len(manifest.labels),) or not len(golden.logits):
        return "does not fit the manifest's front end and labels"
    decisions = len(golden.mel) // params.decision_frames
    if manifest.network == STREAMING and len(golden.logits) != decisions:
        made = f"{len(golden.logits)} decisions in {len(golden.mel)} frames"
        return f"has {made}, where the manifest's decision_frames make {decisions}"
    if len(golden.mel) != params.count_frames(golden.waveform.size):
        return (
            f"has {len(golden.mel)} frames of {golden.waveform.size} samples, where the manifest's front end does not"
        )
    if manifest.network == WINDOW and decisions * params.window_frames * params.n_mels > _MAX_GOLDEN_VALUES:
        return "is too long for windows of this size"
    return ""
