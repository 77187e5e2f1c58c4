"""Static quantization to 8 bits (Jacob et al. 2018).

The result is ONNX with explicit quantize and dequantize nodes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import logging
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static

from edge.errors import DataError
from export.graph.onnx import INPUT, OUTPUT, STATE, STATE_OUT, get_state_size, open_session

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from edge.frontend.params import FrontEndParams

    Floats = NDArray[np.float32]
    Feed = dict[str, Floats]

ALLOWED_LOSS = 0.005
"""Largest loss of mean average precision of an 8-bit network."""
_KINDS = ["Conv", "MatMul", "Gemm"]
"""Operators with multiplications. The state of a stream stays in 32 bits, as its rounding errors would accumulate."""
_PERCENTILE = 99.99
_PIECE_DECISIONS = 8


def quantize(network: bytes, feeds: Iterable[Feed], *, for_tensorrt: bool = False) -> bytes:
    """Return a network with 8-bit convolutions and products, scaled by `feeds`.

    Weights have a scale per channel, activations a range per tensor that leaves out the highest and lowest of 10,000
    numbers. TensorRT reads only ranges around zero and float biases. Raises `DataError` without feeds.
    """
    feeds = iter(feeds)
    if (first := next(feeds, None)) is None:
        msg = "no training clip is as long as a window, so the scales of an 8-bit network cannot be set"
        raise DataError(msg)
    logging.getLogger().addFilter(_drop_advice)
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            contextlib.redirect_stdout(None),
        ):  # its progress is not part of the output
            target = Path(folder) / "int8.onnx"
            quantize_static(
                onnx.load_from_string(network),
                target,
                _Feeds(itertools.chain([first], feeds)),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=_KINDS,
                per_channel=True,
                reduce_range=not for_tensorrt,  # x86 processors before VNNI overflow on products of 8 by 8 bits
                activation_type=QuantType.QInt8 if for_tensorrt else QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                calibrate_method=CalibrationMethod.Percentile,
                extra_options={
                    "CalibPercentile": _PERCENTILE,
                    "ActivationSymmetric": for_tensorrt,
                    "WeightSymmetric": True,
                    "QuantizeBias": not for_tensorrt,
                },
            )
            return target.read_bytes()
    finally:
        logging.getLogger().removeFilter(_drop_advice)


def make_feeds(network: bytes, clips: Iterable[Floats], params: FrontEndParams) -> Iterator[Feed]:
    """Yield the inputs of a network for clips, each log-mel of shape (frames, n_mels).

    A window network gets windows that do not overlap; a streaming one pieces of each clip with the state after the
    previous pieces. A clip without a whole window is left out.
    """
    opened = open_session(network)
    size = get_state_size(opened)
    step = _PIECE_DECISIONS * params.decision_frames if size else params.window_frames
    for mel in clips:
        state = np.zeros((1, size), np.float32)
        for begin in range(0, len(mel) - step + 1, step):
            piece = np.ascontiguousarray(mel[None, begin : begin + step])
            yield {INPUT: piece, STATE: state} if size else {INPUT: piece}
            if size:
                _, state = opened.run([OUTPUT, STATE_OUT], {INPUT: piece, STATE: state})


@dataclasses.dataclass(frozen=True, slots=True)
class Comparison:
    """An 8-bit network compared with its original."""

    float_ms: float
    int8_ms: float
    float_map: float
    int8_map: float

    @property
    def pays(self) -> bool:
        """Whether it is faster and its loss is small enough."""
        return self.int8_ms < self.float_ms and self.float_map - self.int8_map <= ALLOWED_LOSS

    def __str__(self) -> str:
        rows = (
            "| network | ms a decision | mAP |\n| --- | --- | --- |",
            f"| float32 | {self.float_ms:.3f} | {self.float_map:.4f} |",
            f"| int8 | {self.int8_ms:.3f} | {self.int8_map:.4f} |",
        )
        speed = "faster" if self.int8_ms < self.float_ms else "not faster"
        loss = 100 * (self.float_map - self.int8_map)
        verb = f"loses {loss:.2f}" if loss >= 0 else f"gains {-loss:.2f}"
        return "\n".join((*rows, f"int8 is {speed} here and {verb} points (allowed: a loss of {100 * ALLOWED_LOSS:g})"))


class _Feeds(CalibrationDataReader):  # type: ignore[misc] # the package carries no types
    """Adapter for the quantizer, which reads one feed at a time, then None."""

    def __init__(self, feeds: Iterable[Feed]) -> None:
        self._feeds = iter(feeds)

    def get_next(self) -> Feed | None:
        return next(self._feeds, None)


def _drop_advice(record: logging.LogRecord) -> bool:
    """Drop the quantizer's advice to pre-process a network.

    The network is folded and has its shapes already.
    """
    return "pre-processing" not in record.getMessage()
