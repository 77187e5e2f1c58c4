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
from edge.inference.bundle import check_golden

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from edge.inference.bundle import Bundle

log = logging.getLogger("tocsin.inference")

CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"
PAD_SIZES = (1, 2, 4, 8, 16, 32, 64)
_NAMES = {CPU: "cpu", CUDA: "cuda", TENSORRT: "tensorrt"}


def available_providers() -> list[str]:
    """Return the usable providers' short names, best first."""
    ours = ort.get_available_providers()
    return [name for provider, name in reversed(_NAMES.items()) if provider in ours]


def padded_size(n: int) -> int:
    """Return the batch size that `n` windows are padded to, so that an accelerator sees few shapes."""
    return next((size for size in PAD_SIZES if size >= n), -(-n // PAD_SIZES[-1]) * PAD_SIZES[-1])


class OnnxClassifier:
    """A bundle's network, ready to run. `probabilities` may be called from several threads."""

    def __init__(
        self, bundle: Bundle, *, provider: str = "auto", threads: int = 1, cache_dir: Path | None = None
    ) -> None:
        """Load the network and replay the golden recording.

        Raises `BundleError` if the network cannot be loaded or does not compute what it did when it was exported.
        """
        self.bundle = bundle
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
            msg = f"model bundle {self.bundle.path}: ONNX Runtime cannot load model.onnx ({_first_line(exc)})"
            raise BundleError(msg) from exc
        names = [node.name for node in session.get_inputs()], [node.name for node in session.get_outputs()]
        if names != (["log_mel"], ["logits"]):
            msg = f"model bundle {self.bundle.path}: model.onnx must map log_mel to logits, and has {names}"
            raise BundleError(msg)
        return session

    def _check(self, session: ort.InferenceSession) -> None:
        golden, params = self.bundle.golden, self.bundle.params
        mel = log_mel(golden.waveform, params)
        windows = np.lib.stride_tricks.sliding_window_view(mel, params.window_frames, axis=0)
        features = np.ascontiguousarray(windows[:: params.decision_frames].swapaxes(1, 2))
        try:
            logits = self._logits(session, features)
        except Exception as exc:  # ONNX Runtime raises a class of its own for each failure
            msg = f"model bundle {self.bundle.path}: the network fails on the golden recording ({_first_line(exc)})"
            raise BundleError(msg) from exc
        check_golden(self.bundle, mel, logits)

    def _build_tensorrt(self) -> None:
        try:
            cache = self._engine_cache()
            size, shape = PAD_SIZES[-1], f"{self.bundle.params.window_frames}x{self.bundle.params.n_mels}"
            session = self._open(
                TENSORRT,
                {
                    "trt_engine_cache_enable": "True",
                    "trt_engine_cache_path": str(cache),
                    "trt_fp16_enable": "True",
                    "trt_profile_min_shapes": f"log_mel:1x{shape}",
                    "trt_profile_opt_shapes": f"log_mel:8x{shape}",
                    "trt_profile_max_shapes": f"log_mel:{size}x{shape}",
                },
            )
            if session.get_providers()[0] != TENSORRT:
                msg = "ONNX Runtime fell back to another provider"
                raise BundleError(msg)  # noqa: TRY301 - told where every other failure is
            self._check(session)
        except Exception as exc:  # noqa: BLE001 - an engine that cannot be built must never stop the node
            log.warning("no TensorRT engine (%s); staying on %s", _first_line(exc), self.provider)
            return
        self._session, self.provider = session, "tensorrt"
        log.info("TensorRT engine is ready and in use")

    def _engine_cache(self) -> Path:
        """Return the folder of the engine for exactly this network, runtime and device."""
        if self._cache_dir is None:
            msg = "model.cache_dir is not set"
            raise BundleError(msg)
        device = f"{ort.get_device()}-{getattr(ort, 'get_build_info', str)()}"
        key = engine_key(self.bundle.sha256, ort.__version__, "fp16", str(PAD_SIZES), device)
        folder = self._cache_dir / key
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _logits(self, session: ort.InferenceSession, features: NDArray[np.float32]) -> NDArray[np.float32]:
        n, largest = len(features), PAD_SIZES[-1]
        if self.provider != "cpu" and n > largest:  # beyond what an engine was built for
            parts = [features[start : start + largest] for start in range(0, n, largest)]
            return np.concatenate([self._logits(session, part) for part in parts])
        if self.provider != "cpu" and (size := padded_size(n)) != n:
            features = np.concatenate((features, np.zeros((size - n, *features.shape[1:]), np.float32)))
        (logits,) = session.run(["logits"], {"log_mel": features})
        return np.asarray(logits[:n], np.float32)

    def probabilities(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return calibrated probabilities, shape (n, labels), of features of shape (n, window_frames, n_mels)."""
        return self.bundle.calibrate(self._logits(self._session, np.ascontiguousarray(features, np.float32)))


def engine_key(*parts: str) -> str:
    """Return a folder name that differs whenever one of the parts does."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def _first_line(exc: BaseException) -> str:
    return (str(exc).strip().splitlines() or [type(exc).__name__])[0][:200]
