"""ONNX Runtime: the only module that imports it.

The network is ready on the processor (or CUDA) at once. Where TensorRT is wanted and there, its engine is built in
the background, which can take ten minutes the first time, and then takes over.
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
"""Decisions of one stream that a streaming network makes in one run."""
_INPUTS = ("log_mel", "state")
_NAMES = {CPU: "cpu", CUDA: "cuda", TENSORRT: "tensorrt"}


def available_providers() -> list[str]:
    """Return the usable providers' short names, best first."""
    ours = ort.get_available_providers()
    return [name for provider, name in reversed(_NAMES.items()) if provider in ours]


def padded_size(n: int) -> int:
    """Return the batch size that `n` windows are padded to, so that an accelerator sees few shapes."""
    return next((size for size in PAD_SIZES if size >= n), -(-n // PAD_SIZES[-1]) * PAD_SIZES[-1])


class OnnxClassifier:
    """A bundle's network, ready to run. Its methods may be called from several threads."""

    def __init__(
        self, bundle: Bundle, *, provider: str = "auto", threads: int = 1, cache_dir: Path | None = None
    ) -> None:
        """Load the network and replay the golden recording.

        Raises `BundleError` if the network cannot be loaded or does not compute what it did when it was exported.
        """
        self.bundle = bundle
        self.faulty_scores = 0
        """Scores that were no numbers, and count as 0."""
        self._threads = threads
        self._cache_dir = cache_dir
        wanted = self._wanted(provider)
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
    def _wanted(provider: str) -> list[str]:
        ours = ort.get_available_providers()
        wanted = {"auto": [TENSORRT, CUDA, CPU], "tensorrt": [TENSORRT, CUDA, CPU], "cuda": [CUDA, CPU], "cpu": [CPU]}[
            provider
        ]
        if provider in ("cuda", "tensorrt") and wanted[0] not in ours:
            log.warning(
                "model.provider is %r but ONNX Runtime here has only %s and uses those (install NVIDIA's wheel)",
                provider,
                ", ".join(available_providers()),
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
        # The arena keeps the largest batch's memory for ever; a box that runs for a year wants it back.
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
            logits = self._golden_logits(session, mel)
        except Exception as exc:  # ONNX Runtime raises a class of its own for each failure
            msg = f"the network fails on the golden recording ({_first_line(exc, self.bundle.path)})"
            raise BundleError(msg, where=f"model bundle {self.bundle.path}") from exc
        check_golden(self.bundle, mel, logits)

    def _golden_logits(self, session: ort.InferenceSession, mel: NDArray[np.float32]) -> NDArray[np.float32]:
        params, step = self.bundle.params, self.bundle.params.decision_frames
        if not self.bundle.streaming:
            windows = np.lib.stride_tricks.sliding_window_view(mel, params.window_frames, axis=0)
            return self._run(session, np.ascontiguousarray(windows[::step].swapaxes(1, 2)))[0]
        # The first decision as live, the rest as in a clip: a state that is not handed on shows as well.
        state, made = np.zeros((1, self.bundle.state_size), np.float32), []
        for piece in np.split(mel[: len(mel) // step * step], [step]):
            if len(piece):
                logits, state = self._advance(session, piece[np.newaxis], state)
                made.append(logits[0])
        return np.concatenate(made)

    def _build_tensorrt(self) -> None:
        try:
            cache = self._engine_cache()
            session = self._open(
                TENSORRT,
                {
                    "trt_engine_cache_enable": "True",
                    "trt_engine_cache_path": str(cache),
                    "trt_fp16_enable": "True",
                    **profile(self.bundle),
                },
            )
            if session.get_providers()[0] != TENSORRT:
                msg = "ONNX Runtime fell back to another provider"
                raise BundleError(msg)  # noqa: TRY301 - told where every other failure is
            self._check(session)
        except Exception as exc:  # noqa: BLE001 - an engine that cannot be built must never stop the node
            log.warning("no TensorRT engine (%s); staying on %s", _first_line(exc, self.bundle.path), self.provider)
            return
        self._session, self.provider = session, "tensorrt"
        log.info("TensorRT engine is ready and in use")

    def _engine_cache(self) -> Path:
        """Return the folder of the engine for exactly this network, runtime and device."""
        if self._cache_dir is None:
            msg = "model.cache_dir is not set"
            raise BundleError(msg)
        device = f"{ort.get_device()}-{getattr(ort, 'get_build_info', str)()}"
        key = engine_key(self.bundle.sha256, ort.__version__, "fp16", str(profile(self.bundle)), device)
        folder = self._cache_dir / key
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _run(self, session: ort.InferenceSession, *inputs: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Run inputs of equally many rows, padded and split where an accelerator is to see few shapes."""
        n, largest = len(inputs[0]), PAD_SIZES[-1]
        if self.provider != "cpu" and n > largest:  # beyond what an engine was built for
            parts = [
                self._run(session, *(part[start : start + largest] for part in inputs))
                for start in range(0, n, largest)
            ]
            return [np.concatenate(outputs) for outputs in zip(*parts, strict=True)]
        if self.provider != "cpu" and (size := padded_size(n)) != n:
            inputs = tuple(np.concatenate((part, np.zeros((size - n, *part.shape[1:]), np.float32))) for part in inputs)
        outputs: list[NDArray[np.float32]] = session.run(None, dict(zip(_INPUTS, inputs, strict=False)))
        return outputs if len(inputs[0]) == n else [output[:n] for output in outputs]

    def _advance(
        self, session: ort.InferenceSession, log_mel: NDArray[np.float32], state: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the logits of frames that follow on states, shape (n, k, labels), and the states after them."""
        made, longest = [], MAX_DECISIONS * self.bundle.params.decision_frames
        for start in range(0, log_mel.shape[1], longest):
            logits, state = self._run(session, log_mel[:, start : start + longest], state)
            made.append(logits)
        return made[0] if len(made) == 1 else np.concatenate(made, axis=1), state

    def advance(
        self, log_mel: NDArray[np.float32], state: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Let a streaming network hear on; as `edge.inference.streams.Advance` says."""
        logits, state = self._advance(self._session, log_mel, state)
        return self._calibrated(logits), state

    def score(self, windows: Sequence[MelWindow]) -> NDArray[np.float32]:
        """Return calibrated probabilities, shape (n, labels), of windows in the order of their streams.

        A window network looks at each by itself; a streaming one hears the new frames and keeps what it remembers in
        the window's state.
        """
        if not self.bundle.streaming:
            return self.probabilities(np.stack([window.features for window in windows]))
        step, size = self.bundle.params.decision_frames, self.bundle.state_size
        return score_streams(windows, self.advance, decision_frames=step, state_size=size)

    def probabilities(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return calibrated probabilities, shape (n, labels), of features of shape (n, window_frames, n_mels).

        Each is looked at by itself; a streaming network begins every one from a zero state.
        """
        features = np.ascontiguousarray(features, np.float32)
        if self.bundle.streaming:
            return self.advance(features, np.zeros((len(features), self.bundle.state_size), np.float32))[0][:, -1]
        return self._calibrated(self._run(self._session, features)[0])

    def _calibrated(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probabilities of logits; 0 where the network computed no number, for it heard nothing there."""
        if are_finite(logits):
            return self.bundle.calibrate(logits)
        finite = np.isfinite(logits)
        if not self.faulty_scores:
            log.error("model %s computes scores that are no numbers; they count as 0", self.bundle.id)
        self.faulty_scores += int(logits.size - np.count_nonzero(finite))
        return np.where(finite, self.bundle.calibrate(np.where(finite, logits, 0.0)), np.float32(0.0))


def profile(bundle: Bundle) -> dict[str, str]:
    """Return the smallest, usual and largest shapes of the inputs that a TensorRT engine is built for."""
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


def engine_key(*parts: str) -> str:
    """Return a folder name that differs whenever one of the parts does."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def _first_line(exc: BaseException, path: Path) -> str:
    """Return the first line of an error in the bundle at `path`, whose files it names without their folder."""
    return (str(exc).strip().splitlines() or [type(exc).__name__])[0].replace(f"{path}/", "")[:200]
