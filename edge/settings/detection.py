"""Settings of detection, and built-in values of labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from edge.settings.section import Line, PositiveSeconds, Probability, Seconds, Section

if TYPE_CHECKING:
    from collections.abc import Mapping


class DetectionClass(Section):
    """Detection rule of one label.

    Unset values come from the defaults and the bundle.
    """

    alert: bool | None = Field(None, description="whether the label causes events")
    on: Probability | None = Field(None, description="score from which an event starts")
    off: Probability | None = Field(None, description="score below which an event may end")
    min_windows: int | None = Field(
        None, ge=1, le=100_000, description="successive scores at or above `on` that start an event"
    )
    min_duration_s: Seconds | None = Field(None, description="seconds at or above `on` before an event is reported")
    hold_s: Seconds | None = Field(None, description="seconds below `off` before an event ends")
    cooldown_s: Seconds | None = Field(None, description="seconds after an event in which no other starts")
    max_duration_s: PositiveSeconds | None = Field(
        None, description="seconds after which an event ends; another may follow"
    )
    smoothing_s: Seconds | None = Field(None, description="seconds over which scores are averaged; 0: no averaging")
    severity: Literal["info", "warning", "critical"] | None = Field(None, description="severity in the event")
    save_clip: bool | None = Field(None, description="store the sound of the event (needs privacy.keep_clips)")

    def collect_values(self) -> dict[str, Any]:
        """Return the values that are set, by name."""
        names = [name for name in DetectionClass.model_fields if name != "alert"]
        return {name: value for name in names if (value := getattr(self, name)) is not None}

    @model_validator(mode="after")
    def _check_thresholds(self) -> DetectionClass:
        if self.on is not None and self.off is not None and self.off > self.on:
            msg = f"off ({self.off}) must not be above on ({self.on})"
            raise ValueError(msg)
        return self


class Detection(DetectionClass):
    """Detection rules: defaults, and exceptions for single labels."""

    update_s: PositiveSeconds = Field(2.0, description="seconds between two `update` messages of one event")
    classes: dict[Line, DetectionClass] = Field(default_factory=dict, description="rules of single labels")


DEFAULT_VALUES = DetectionClass(
    on=0.7,
    off=0.4,
    min_windows=2,
    min_duration_s=0.0,
    hold_s=1.0,
    cooldown_s=1.0,
    max_duration_s=60.0,
    smoothing_s=0.5,
    severity="info",
    save_clip=False,
)
"""Built-in values of every label; complete."""

IMPULSE_VALUES = DetectionClass(smoothing_s=0.0, min_windows=1, hold_s=0.5, cooldown_s=0.25, max_duration_s=10.0)
"""Built-in values of labels whose sounds are shorter than a window."""

_IMPULSE_ITEMS = IMPULSE_VALUES.collect_values()
LABEL_VALUES: Mapping[str, DetectionClass] = {
    "gunshot": DetectionClass(**{**_IMPULSE_ITEMS, "severity": "critical"}),
    "glass": DetectionClass(**{**_IMPULSE_ITEMS, "severity": "warning"}),
    "clap": IMPULSE_VALUES,
    "horn": DetectionClass(**{**_IMPULSE_ITEMS, "max_duration_s": 30.0}),
    "siren": DetectionClass(
        smoothing_s=0.25, min_windows=1, hold_s=1.5, cooldown_s=0.5, severity="warning", max_duration_s=120.0
    ),
    "traffic": DetectionClass(smoothing_s=2.0, min_windows=8, hold_s=4.0, cooldown_s=2.0, max_duration_s=300.0),
}
"""Built-in values of single labels, which replace `DEFAULT_VALUES`."""

BUNDLE_KEYS = ("on", "off")
"""Values of a label that a bundle may contain."""


def get_built_in_values(label: str) -> dict[str, Any]:
    """Return the built-in values of a label, without those of the bundle."""
    values = {**DEFAULT_VALUES.collect_values(), **LABEL_VALUES.get(label, DetectionClass()).collect_values()}
    return {name: value for name, value in values.items() if name not in BUNDLE_KEYS}
