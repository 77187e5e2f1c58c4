"""The manifest of a bundle, validated: every value has a type and bounds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    InstanceOf,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import from_json

from edge.frontend.params import FrontEndParams

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic_core import ErrorDetails

FORMAT = 1
EVENTS, CLAPS = "events", "claps"
"""Tasks: to detect events in a window, or to decide whether an onset is a clap."""
MODEL, GOLDEN = "model.onnx", "golden.npz"
WINDOW, STREAMING = "window", "streaming"
"""Kinds of networks: input of a whole window for every decision, or new frames and a state."""
NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
"""Pattern of ids and versions, which name folders."""
MAX_FILES = 64
"""Maximum number of files in a bundle."""
_MAX_LABELS, _MAX_STATE = 1_000, 1 << 20

_Name = Annotated[str, StringConstraints(pattern=rf"^{NAME}$")]
_Word = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,100}$")]
_FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
_Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
_Probability = Annotated[float, Field(ge=0.0, le=1.0)]
_Slope = Annotated[float, Field(ge=-1e4, le=1e4)]
_Tolerance = Annotated[float, Field(gt=0.0, le=1.0)]


def _parse_front_end(values: object) -> FrontEndParams:
    if not isinstance(values, dict):
        msg = "must be a table of parameters"
        raise ValueError(msg)  # noqa: TRY004 - pydantic expects a ValueError
    return FrontEndParams.from_dict(values)


class _StrictModel(BaseModel):
    """Base class: strict about types, open for keys of later exporters."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", allow_inf_nan=False)


class Calibration(_StrictModel):
    """Calibration per label: probability = sigmoid(scale * logit + bias)."""

    scale: list[_Slope]
    bias: list[_Slope]


class Threshold(_StrictModel):
    """Thresholds at which events of a label begin and end."""

    on: _Probability | None = None
    off: _Probability | None = None
    impulsive: bool = False
    """Whether one window is enough for an event."""


class Tolerance(_StrictModel):
    """Maximum differences from the golden recording."""

    mel: _Tolerance = 1e-2
    logits: _Tolerance = 1e-2


class Manifest(_StrictModel):
    """The part of a manifest that a device reads."""

    format: Literal[1]
    id: _Name
    version: _Name
    task: Literal["events", "claps"] = "events"
    network: Literal["window", "streaming"] = "window"
    state_size: int | None = Field(None, gt=0, le=_MAX_STATE)
    labels: list[_Word] = Field(min_length=1, max_length=_MAX_LABELS)
    frontend: Annotated[InstanceOf[FrontEndParams], BeforeValidator(_parse_front_end)]
    calibration: Calibration
    thresholds: dict[str, Threshold]
    golden_tolerance: Tolerance
    measured: dict[str, Any] = Field(default_factory=dict)
    training_data: str = "unknown"
    licence: str = "unknown"
    created: str = "unknown"
    sha256: dict[_FileName, _Sha256] = Field(max_length=MAX_FILES)

    @model_validator(mode="after")
    def _check_consistency(self) -> Manifest:
        if what := next(_find_inconsistencies(self), ""):
            raise ValueError(what)
        return self


def _find_inconsistencies(manifest: Manifest) -> Iterator[str]:
    """Yield contradictions between the values of a manifest."""
    labels, params = manifest.labels, manifest.frontend
    if len(set(labels)) != len(labels):
        yield "labels must be different names"
    for name in ("scale", "bias"):
        if len(getattr(manifest.calibration, name)) != len(labels):
            yield f"calibration.{name} must be a number per label"
    if unknown := sorted(set(manifest.thresholds) - set(labels)):
        yield f"thresholds for labels that the model does not have: {', '.join(unknown)}"
    if missing := {MODEL, GOLDEN} - set(manifest.sha256):
        yield f"there is no sha256 of {' and '.join(sorted(missing))}"
    if manifest.network == STREAMING:
        if manifest.state_size is None:
            yield "a streaming network needs its state_size"
        if params.window_frames % params.decision_frames:
            yield "a streaming network's window_frames must be a multiple of its decision_frames"


def parse_manifest(data: bytes) -> tuple[Manifest, dict[str, Any]]:
    """Parse a manifest; return it validated and as written.

    NaN and infinite numbers, which earlier exporters wrote for unknown figures, become None. Raises `ValueError` with a
    message of one line.
    """
    try:
        values = from_json(data)
    except ValueError as exc:
        msg = f"not JSON ({exc})"
        raise ValueError(msg) from None
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        msg = f"not of format {FORMAT}"
        raise ValueError(msg)
    try:
        return Manifest.model_validate(values), _replace_non_finite(values)
    except ValidationError as exc:
        first, *more = exc.errors(include_url=False, include_input=False)
        msg = f"{_format_error(first)}{f' (and {len(more)} more)' if more else ''}"
        raise ValueError(msg) from None


def _replace_non_finite(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict):
        return {name: _replace_non_finite(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_replace_non_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _format_error(error: ErrorDetails) -> str:
    """Format a validation error with its place; unusual names are quoted."""
    parts = [str(part) for part in error["loc"]]
    where = ".".join(part if part.isidentifier() or part.isdigit() else repr(part[:100]) for part in parts)
    text = error["msg"].removeprefix("Value error, ")
    return f"{where}: {text}" if where else text
