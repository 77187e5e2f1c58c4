"""ONNX Runtime: the only module that imports it.

The network is ready on the CPU (or CUDA) at once. If TensorRT is available and configured, its engine is built in the
background, which can take ten minutes the first time, and then replaces the first session.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime as ort

from edge.errors import BundleError
from edge.frontend.mel import log_mel
from edge.frontend.samples import are_finite
from edge.inference.bundle import check_golden
from edge.inference.shapes import check_shapes
from edge.inference.streams import score_streams
from edge.types import ModelInfo

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edge.inference.bundle import Bundle
    from edge.types import MelWindow

log = logging.getLogger("tocsin.inference")

CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"
PAD_SIZES = (1, 2, 4, 8, 16, 32, 64)
MAX_DECISIONS = 32
"""Maximum number of decisions of one stream in one run of a streaming network."""
_INPUTS = ("log_mel", "state")
_NAMES = {CPU: "cpu", CUDA: "cuda", TENSORRT: "tensorrt"}


def list_providers() -> list[str]:
    """Return the short names of the available providers, best first."""
    ours = ort.get_available_providers()
    return [name for provider, name in reversed(_NAMES.items()) if provider in ours]


def pad_batch_size(n: int) -> int:
    """Return the batch size to which `n` windows are padded, one of few."""
    return next((size for size in PAD_SIZES if size >= n), -(-n // PAD_SIZES[-1]) * PAD_SIZES[-1])


class OnnxClassifier:
    """A loaded bundle. Its methods may be called from several threads."""

    def __init__(
        self, bundle: Bundle, *, provider: str = "auto", threads: int = 1, cache_dir: Path | None = None
    ) -> None:
        """Load the network and replay the golden recording.

        Raises `BundleError` if the network cannot be loaded or does not compute what it did when it was exported.
        """
        self.bundle = bundle
        self.faulty_scores = 0
        """Number of non-finite scores, which count as 0."""
        self._threads = threads
        self._cache_dir = cache_dir
        wanted = self._choose_providers(provider)
        first = CUDA if CUDA in wanted else CPU
        self._session = self._open(first)
        self.provider = _NAMES.get(self._session.get_providers()[0], "cpu")
        self._check(self._session)
        self._builder: threading.Thread | None = None
        if TENSORRT in wanted:
            self._builder = threading.Thread(target=self._build_tensorrt, name="tensorrt", daemon=True)
            self._builder.start()

    @property
    def info(self) -> ModelInfo:
        """The identity of the model, with the provider that runs it now."""
        return ModelInfo(self.bundle.id, self.bundle.version, self.bundle.sha256, self.provider)

    @staticmethod
    def _choose_providers(provider: str) -> list[str]:
        ours = ort.get_available_providers()
        wanted = {"auto": [TENSORRT, CUDA, CPU], "tensorrt": [TENSORRT, CUDA, CPU], "cuda": [CUDA, CPU], "cpu": [CPU]}[
            provider
        ]
        if provider in ("cuda", "tensorrt") and wanted[0] not in ours:
            log.warning(
                "model.provider is %r but ONNX Runtime here has only %s and uses those (install NVIDIA's wheel)",
                provider,
                ", ".join(list_providers()),
            )
        return [name for name in wanted if name in ours]

    def _open(self, provider: str, options: dict[str, Any] | None = None) -> ort.InferenceSession:
        settings = ort.SessionOptions()
        settings.intra_op_num_threads = self._threads
        settings.inter_op_num_threads = 1
        settings.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
        settings.add_session_config_entry("session.inter_op.allow_spinning", "0")
        settings.log_severity_level = 3
        # The arena never returns the memory of the largest batch to the system.
        settings.enable_cpu_mem_arena = False
        chain: list[Any] = [(provider, options or {})]
        if provider != CPU:
            chain.append((CPU, {}))
        try:
            session = ort.InferenceSession(str(self.bundle.model_path), settings, providers=chain)
        except Exception as exc:  # ONNX Runtime raises a class of its own for each failure
            msg = f"ONNX Runtime cannot load model.onnx ({_first_line(exc, self.bundle.path)})"
            raise BundleError(msg, where=f"model bundle {self.bundle.path}") from exc
        nodes = (*session.get_inputs(), *session.get_outputs())
        check_shapes(self.bundle, {node.name: tuple(node.shape) for node in nodes})
        return session

    def _check(self, session: ort.InferenceSession) -> None:
        mel = log_mel(self.bundle.golden.waveform, self.bundle.params)
        try:
            logits = self._compute_golden_logits(session, mel)
        except Exception as exc:  # ONNX Runtime raises a class of its own for each failure
            msg = f"the network fails on the golden recording ({_first_line(exc, self.bundle.path)})"
            raise BundleError(msg, where=f"model bundle {self.bundle.path}") from exc
        check_golden(self.bundle, mel, logits)

    def _compute_golden_logits(self, session: ort.InferenceSession, mel: NDArray[np.float32]) -> NDArray[np.float32]:
        params, step = self.bundle.params, self.bundle.params.decision_frames
        if not self.bundle.streaming:
            windows = np.lib.stride_tricks.sliding_window_view(mel, params.window_frames, axis=0)
            return self._run(session, np.ascontiguousarray(windows[::step].swapaxes(1, 2)))[0]
        # The first decision as live, the rest as in a recording: this also checks that the state is passed on.
        state, made = np.zeros((1, self.bundle.state_size), np.float32), []
        for piece in np.split(mel[: len(mel) // step * step], [step]):
            if len(piece):
                logits, state = self._advance(session, piece[np.newaxis], state)
                made.append(logits[0])
        return np.concatenate(made)

    def _build_tensorrt(self) -> None:
        try:
            cache = self._make_engine_folder()
            session = self._open(
                TENSORRT,
                {
                    "trt_engine_cache_enable": "True",
                    "trt_engine_cache_path": str(cache),
                    "trt_fp16_enable": "True",
                    **make_profile(self.bundle),
                },
            )
            if session.get_providers()[0] != TENSORRT:
                msg = "ONNX Runtime fell back to another provider"
                raise BundleError(msg)  # noqa: TRY301 - logged below like any other failure
            self._check(session)
        except Exception as exc:  # noqa: BLE001 - a failed engine must never stop the node
            log.warning("no TensorRT engine (%s); staying on %s", _first_line(exc, self.bundle.path), self.provider)
            return
        self._session, self.provider = session, "tensorrt"
        log.info("TensorRT engine is ready and in use")

    def _make_engine_folder(self) -> Path:
        """Create the folder of the engine for this network, runtime and device."""
        if self._cache_dir is None:
            msg = "model.cache_dir is not set"
            raise BundleError(msg)
        device = f"{ort.get_device()}-{getattr(ort, 'get_build_info', str)()}"
        key = make_engine_key(self.bundle.sha256, ort.__version__, "fp16", str(make_profile(self.bundle)), device)
        folder = self._cache_dir / key
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _run(self, session: ort.InferenceSession, *inputs: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Run inputs with the same number of rows; pad and split them for an accelerator."""
        n, largest = len(inputs[0]), PAD_SIZES[-1]
        if self.provider != "cpu" and n > largest:  # larger than the engine's maximum
            parts = [
                self._run(session, *(part[start : start + largest] for part in inputs))
                for start in range(0, n, largest)
            ]
            return [np.concatenate(outputs) for outputs in zip(*parts, strict=True)]
        if self.provider != "cpu" and (size := pad_batch_size(n)) != n:
            inputs = tuple(np.concatenate((part, np.zeros((size - n, *part.shape[1:]), np.float32))) for part in inputs)
        outputs: list[NDArray[np.float32]] = session.run(None, dict(zip(_INPUTS, inputs, strict=False)))
        return outputs if len(inputs[0]) == n else [output[:n] for output in outputs]

    def _advance(
        self, session: ort.InferenceSession, log_mel: NDArray[np.float32], state: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the logits, shape (n, k, labels), of frames after states, and the new states."""
        made, longest = [], MAX_DECISIONS * self.bundle.params.decision_frames
        for start in range(0, log_mel.shape[1], longest):
            logits, state = self._run(session, log_mel[:, start : start + longest], state)
            made.append(logits)
        return made[0] if len(made) == 1 else np.concatenate(made, axis=1), state

    def advance(
        self, log_mel: NDArray[np.float32], state: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Run a streaming network on new frames, as `edge.inference.streams.Advance` defines."""
        logits, state = self._advance(self._session, log_mel, state)
        return self._calibrate(logits), state

    def score(self, windows: Sequence[MelWindow]) -> NDArray[np.float32]:
        """Return calibrated probabilities, shape (n, labels), of windows in the order of their streams.

        A window network scores each window separately. A streaming network processes the new frames and updates the
        window's state.
        """
        if not self.bundle.streaming:
            return self.compute_probabilities(np.stack([window.features for window in windows]))
        step, size = self.bundle.params.decision_frames, self.bundle.state_size
        return score_streams(windows, self.advance, decision_frames=step, state_size=size)

    def compute_probabilities(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return calibrated probabilities, shape (n, labels), of separate windows.

        `features` has shape (n, window_frames, n_mels). A streaming network begins each window with a zero state.
        """
        features = np.ascontiguousarray(features, np.float32)
        if self.bundle.streaming:
            return self.advance(features, np.zeros((len(features), self.bundle.state_size), np.float32))[0][:, -1]
        return self._calibrate(self._run(self._session, features)[0])

    def _calibrate(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Convert logits to probabilities; non-finite logits become 0 and are counted."""
        if are_finite(logits):
            return self.bundle.calibrate(logits)
        finite = np.isfinite(logits)
        if not self.faulty_scores:
            log.error("model %s computes scores that are not finite; they count as 0", self.bundle.id)
        self.faulty_scores += int(logits.size - np.count_nonzero(finite))
        return np.where(finite, self.bundle.calibrate(np.where(finite, logits, 0.0)), np.float32(0.0))


def make_profile(bundle: Bundle) -> dict[str, str]:
    """Return the minimum, usual and maximum input shapes of a TensorRT engine."""
    params, largest = bundle.params, PAD_SIZES[-1]
    step = params.decision_frames

    def shapes(batch: int, decisions: int) -> str:
        frames = decisions * step if bundle.streaming else params.window_frames
        state = f",state:{batch}x{bundle.state_size}" if bundle.streaming else ""
        return f"log_mel:{batch}x{frames}x{params.n_mels}{state}"

    return {
        "trt_profile_min_shapes": shapes(1, 1),
        "trt_profile_opt_shapes": shapes(8, 1),
        "trt_profile_max_shapes": shapes(largest, MAX_DECISIONS),
    }


def make_engine_key(*parts: str) -> str:
    """Return a folder name that is unique for these parts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def _first_line(exc: BaseException, path: Path) -> str:
    """Return the first line of an error, with file names relative to `path`."""
    return (str(exc).strip().splitlines() or [type(exc).__name__])[0].replace(f"{path}/", "")[:200]
