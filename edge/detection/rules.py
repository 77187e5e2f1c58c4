"""What turns a label's scores into events: the built-in defaults, the bundle's thresholds, the user's settings."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

from edge.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edge.settings.tree import Detection

Origin = Literal["built-in", "bundle", "configuration"]

ALERT_LABELS = ("siren", "gunshot", "traffic", "horn", "clap")


@dataclass(frozen=True, slots=True)
class Rule:
    """How one label's scores become events."""

    label: str
    on: float = 0.7
    off: float = 0.4
    min_windows: int = 2
    min_duration_s: float = 0.0
    hold_s: float = 1.0
    cooldown_s: float = 1.0
    max_duration_s: float = 60.0
    smoothing_s: float = 0.5
    severity: str = "info"
    save_clip: bool = False

    @property
    def fast(self) -> bool:
        """Whether one strong window decides."""
        return self.smoothing_s == 0.0


_IMPULSE: dict[str, Any] = {
    "smoothing_s": 0.0,
    "min_windows": 1,
    "hold_s": 0.5,
    "cooldown_s": 0.25,
    "max_duration_s": 10.0,
}
_DEFAULTS: dict[str, dict[str, Any]] = {
    "gunshot": {**_IMPULSE, "severity": "critical"},
    "glass": {**_IMPULSE, "severity": "warning"},
    "clap": _IMPULSE,
    "horn": {**_IMPULSE, "max_duration_s": 30.0},
    "siren": {
        "smoothing_s": 0.25,
        "min_windows": 1,
        "hold_s": 1.5,
        "cooldown_s": 0.5,
        "severity": "warning",
        "max_duration_s": 120.0,
    },
    "traffic": {"smoothing_s": 2.0, "min_windows": 8, "hold_s": 4.0, "cooldown_s": 2.0, "max_duration_s": 300.0},
}
_BUILT_IN: dict[str, Any] = {field.name: field.default for field in fields(Rule) if field.name != "label"}
_OF_BUNDLES = ("on", "off")


def alert_labels(labels: Sequence[str]) -> tuple[str, ...]:
    """Return the labels that make events by default: the product's, or all but `background` where there are none."""
    known = tuple(label for label in labels if label in ALERT_LABELS)
    return known or tuple(label for label in labels if label != "background")


@dataclass(frozen=True)
class Explained:
    """What holds for one label, and where each value of it comes from."""

    label: str
    alert: bool
    alert_from: Origin
    values: Mapping[str, tuple[Any, Origin]]
    """By the names of a `Rule`."""


def explain_rules(
    labels: Sequence[str], thresholds: Mapping[str, Mapping[str, float]], settings: Detection
) -> list[Explained]:
    """Return what holds for each label, in the order of `labels`.

    A value is the user's for the label, else the user's default, else the bundle's or built in; a
    section for a label makes it an alert unless it says ``alert = false``. Raises `ConfigError` for a label that
    the model does not have.
    """
    for label in settings.classes:
        if label not in labels:
            near = difflib.get_close_matches(label, labels, 1)
            hint = f"; did you mean '{near[0]}'?" if near else f"; it has {', '.join(labels)}"
            msg = f"detection.classes.{label}: the model has no such label{hint}"
            raise ConfigError(msg)
    default_alerts = alert_labels(labels) if settings.alert is None else tuple(labels) if settings.alert else ()
    explained = []
    for label in labels:
        own = settings.classes.get(label)
        values: dict[str, tuple[Any, Origin]] = {}
        layers: tuple[tuple[Origin, Mapping[str, Any]], ...] = (
            ("built-in", _BUILT_IN),
            ("bundle", _threshold(thresholds.get(label, {}))),
            ("built-in", _DEFAULTS.get(label, {})),
            ("configuration", _given(settings)),
            ("configuration", {} if own is None else _given(own)),
        )
        for origin, layer in layers:
            values |= {name: (value, origin) for name, value in layer.items()}
        alert = label in default_alerts if own is None else own.alert is not False
        alert_from: Origin = "built-in" if own is None and settings.alert is None else "configuration"
        explained.append(Explained(label, alert, alert_from, values))
    return explained


def rules_for(
    labels: Sequence[str], thresholds: Mapping[str, Mapping[str, float]], settings: Detection
) -> tuple[Rule, ...]:
    """Return a rule per label that makes events, in the order of `labels`; see `explain_rules`.

    Raises `ConfigError` for a label that the model does not have and for `off` above `on`.
    """
    rules = []
    for explained in explain_rules(labels, thresholds, settings):
        if not explained.alert:
            continue
        rule = Rule(explained.label, **{name: value for name, (value, _) in explained.values.items()})
        if rule.off > rule.on:
            msg = f"detection.classes.{rule.label}: off ({rule.off}) must not be above on ({rule.on})"
            raise ConfigError(msg)
        rules.append(rule)
    return tuple(rules)


def built_in(label: str) -> dict[str, Any]:
    """Return the values of a label that no bundle and no configuration changes."""
    return {name: value for name, value in {**_BUILT_IN, **_DEFAULTS.get(label, {})}.items() if name not in _OF_BUNDLES}


def _given(section: object) -> dict[str, Any]:
    return {name: value for name in _BUILT_IN if (value := getattr(section, name)) is not None}


def _threshold(values: Mapping[str, float]) -> dict[str, float | int]:
    """Return what a bundle says of a label: where events begin and end, and whether one window decides."""
    said: dict[str, float | int] = {name: float(values[name]) for name in _OF_BUNDLES if name in values}
    return {**_IMPULSE, **said} if values.get("impulsive") else said
