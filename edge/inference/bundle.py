"""Read and check a model bundle: a folder with `model.onnx`, `manifest.json` and `golden.npz`."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edge.errors import BundleError
from edge.frontend.params import FrontEndParams

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

FORMAT = 1
EVENTS, CLAPS = "events", "claps"
"""Tasks: to tell the events of a window, or whether an onset is a clap."""
MANIFEST, MODEL, GOLDEN = "manifest.json", "model.onnx", "golden.npz"
WINDOW, STREAMING = "window", "streaming"
"""Networks: one that looks at a whole window for every decision, or one that goes on from its state."""


@dataclass(frozen=True)
class Golden:
    """A recording with the features and logits that the exporter got for it."""

    waveform: NDArray[np.float32]
    """Shape (n,), at the front end's rate."""
    mel: NDArray[np.float32]
    """Shape (frames, n_mels)."""
    logits: NDArray[np.float32]
    """Shape (decisions, labels): of the windows that begin every `decision_frames` frames, or of a streaming network
    for every `decision_frames` whole frames from a zero state."""


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
    golden: Golden

    @property
    def task(self) -> str:
        """What it is for: `EVENTS` where the manifest says nothing."""
        return str(self.manifest.get("task", EVENTS))

    @property
    def network(self) -> str:
        """Which kind `model.onnx` is: `WINDOW` where the manifest says nothing."""
        return str(self.manifest.get("network", WINDOW))

    @property
    def streaming(self) -> bool:
        """Whether the network goes on from its state."""
        return self.network == STREAMING

    @property
    def state_size(self) -> int:
        """How many numbers a streaming network remembers of a stream; 0 for a window network."""
        return int(self.manifest["state_size"]) if self.streaming else 0

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
    manifest = _manifest(path)
    sums = _field(manifest, path, "sha256", dict)
    for name in (MODEL, GOLDEN):
        if name not in sums:
            raise bad_bundle(path, f"the manifest has no sha256 of {name}")
    for name, expected in sums.items():
        if "/" in name or name.startswith("."):
            raise bad_bundle(path, f"the manifest names a file outside the bundle: {name!r}")
        if _sha256(path, name) != expected:
            raise bad_bundle(path, f"{name} is not the file that was exported (its sha256 differs)")
    labels = tuple(_field(manifest, path, "labels", list))
    if not labels or len(set(labels)) != len(labels) or not all(isinstance(label, str) and label for label in labels):
        raise bad_bundle(path, "labels must be a list of different names")
    try:
        params = FrontEndParams.from_dict(_field(manifest, path, "frontend", dict))
    except (TypeError, ValueError) as exc:
        raise bad_bundle(path, str(exc)) from exc
    network = _network(manifest, path, params)
    calibration = _field(manifest, path, "calibration", dict)
    return Bundle(
        path=path,
        id=_field(manifest, path, "id", str),
        version=_field(manifest, path, "version", str),
        labels=labels,
        params=params,
        scale=_per_label(calibration, path, "scale", labels),
        bias=_per_label(calibration, path, "bias", labels),
        thresholds=_thresholds(manifest, path, labels),
        sha256=sums[MODEL],
        tolerance=_numbers(_field(manifest, path, "golden_tolerance", dict), path, "golden_tolerance"),
        manifest=manifest,
        golden=_golden(path, params, labels, network),
    )


def check_golden(bundle: Bundle, mel: NDArray[np.float32], logits: NDArray[np.float32]) -> None:
    """Compare features and logits computed here with the golden ones; raise `BundleError` beyond tolerance."""
    for name, ours, golden in (("mel", mel, bundle.golden.mel), ("logits", logits, bundle.golden.logits)):
        if ours.shape != golden.shape:
            raise bad_bundle(bundle.path, f"the golden {name} have shape {golden.shape}, here {ours.shape}")
        worst = float(np.abs(ours - golden).max(initial=0.0))
        limit = float(bundle.tolerance.get(name, 1e-2))
        if not worst <= limit:  # also true for NaN
            raise bad_bundle(
                bundle.path, f"on the golden recording the {name} are off by {worst:.3g} (allowed: {limit:.3g})"
            )


def require_task(bundle: Bundle, task: str) -> None:
    """Raise `BundleError` for a bundle that is for something else."""
    if bundle.task != task:
        setting = "claps.bundle" if bundle.task == CLAPS else "model.bundle"
        msg = f"model bundle {bundle.path}: is for {bundle.task}, not for {task}; {setting} is its place"
        raise BundleError(msg)


def bad_bundle(path: Path, what: str) -> BundleError:
    """Return the error of a bundle that cannot be used: what is wrong, where, and what to do."""
    return BundleError(f"model bundle {path}: {what}; export it again, or choose another with 'tocsin model activate'")


def _manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError as exc:
        what = f"there is no {MANIFEST}" if path.is_dir() else "there is no such folder"
        raise bad_bundle(path, what) from exc
    except OSError as exc:
        raise bad_bundle(path, f"{MANIFEST} cannot be read ({exc.strerror})") from exc
    except ValueError as exc:
        raise bad_bundle(path, f"{MANIFEST} is not JSON ({exc})") from exc
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise bad_bundle(path, f"{MANIFEST} is not of format {FORMAT}")
    return manifest


def _field(manifest: Mapping[str, Any], path: Path, name: str, kind: type) -> Any:  # noqa: ANN401 - checked here
    value = manifest.get(name)
    if not isinstance(value, kind):
        raise bad_bundle(path, f"{MANIFEST} needs {name!r} of type {kind.__name__}")
    return value


def _network(manifest: Mapping[str, Any], path: Path, params: FrontEndParams) -> str:
    network = manifest.get("network", WINDOW)
    if network not in (WINDOW, STREAMING):
        raise bad_bundle(path, f"{MANIFEST} says network {network!r}, which must be {WINDOW!r} or {STREAMING!r}")
    if network == WINDOW:
        return WINDOW
    size = manifest.get("state_size")
    if not isinstance(size, int) or size <= 0:
        raise bad_bundle(path, f"{MANIFEST} needs the 'state_size' of its streaming network, a number above 0")
    if params.window_frames % params.decision_frames:
        raise bad_bundle(path, "a streaming network's window_frames must be a multiple of its decision_frames")
    return STREAMING


def _per_label(calibration: Mapping[str, Any], path: Path, name: str, labels: tuple[str, ...]) -> NDArray[np.float32]:
    try:
        values = np.asarray(calibration.get(name), np.float32)
    except (TypeError, ValueError) as exc:
        raise bad_bundle(path, f"calibration.{name} must be numbers") from exc
    if values.shape != (len(labels),) or not np.isfinite(values).all():
        raise bad_bundle(path, f"calibration.{name} must be a finite number per label")
    return values


def _thresholds(manifest: Mapping[str, Any], path: Path, labels: tuple[str, ...]) -> dict[str, dict[str, float]]:
    thresholds: dict[str, Any] = _field(manifest, path, "thresholds", dict)
    if unknown := sorted(set(thresholds) - set(labels)):
        raise bad_bundle(path, f"thresholds for labels that the model does not have: {', '.join(unknown)}")
    return {label: _numbers(values, path, f"thresholds.{label}") for label, values in thresholds.items()}


def _numbers(values: object, path: Path, what: str) -> dict[str, float]:
    if not isinstance(values, dict) or not all(isinstance(value, (int, float)) for value in values.values()):
        raise bad_bundle(path, f"{what} must be numbers by name")
    return values


def _sha256(path: Path, name: str) -> str:
    digest = hashlib.sha256()
    try:
        with (path / name).open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    except FileNotFoundError as exc:
        raise bad_bundle(path, f"{name} is missing") from exc
    except OSError as exc:
        raise bad_bundle(path, f"{name} cannot be read ({exc.strerror})") from exc
    return digest.hexdigest()


def _golden(path: Path, params: FrontEndParams, labels: tuple[str, ...], network: str) -> Golden:
    try:
        with np.load(path / GOLDEN, allow_pickle=False) as arrays:
            golden = Golden(*(np.asarray(arrays[name], np.float32) for name in ("waveform", "mel", "logits")))
    except (OSError, ValueError, KeyError, EOFError) as exc:
        raise bad_bundle(path, f"{GOLDEN} cannot be read ({exc})") from exc
    shapes_fit = golden.waveform.ndim == 1 and golden.mel.shape[1:] == (params.n_mels,)
    if not shapes_fit or golden.logits.shape[1:] != (len(labels),) or not len(golden.logits):
        raise bad_bundle(path, f"{GOLDEN} does not fit the manifest's front end and labels")
    decisions = len(golden.mel) // params.decision_frames
    if network == STREAMING and len(golden.logits) != decisions:
        what = f"{GOLDEN} has {len(golden.logits)} decisions in {len(golden.mel)} frames, where the manifest's"
        raise bad_bundle(path, f"{what} decision_frames make {decisions}")
    return golden
