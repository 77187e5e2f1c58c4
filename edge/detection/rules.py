"""Rules of detection per label, from built-in defaults, the bundle's thresholds and the settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from edge.errors import ConfigError, suggest
from edge.settings.detection import BUNDLE_KEYS, DEFAULT_VALUES, IMPULSE_VALUES, LABEL_VALUES, DetectionClass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edge.settings.detection import Detection

Origin = Literal["built-in", "bundle", "configuration"]

ALERT_LABELS = ("siren", "gunshot", "traffic", "horn", "clap")


@dataclass(frozen=True, slots=True)
class Rule:
    """Thresholds and durations that turn one label's scores into events."""

    label: str
    on: float
    off: float
    min_windows: int
    min_duration_s: float
    hold_s: float
    cooldown_s: float
    max_duration_s: float
    smoothing_s: float
    severity: str
    save_clip: bool

    @property
    def fast(self) -> bool:
        """Whether one window above `on` suffices."""
        return self.smoothing_s == 0.0


def default_alert_labels(labels: Sequence[str]) -> tuple[str, ...]:
    """Return the labels that make events by default.

    These are the product's labels or, for a bundle without any of them, all but `background`.
    """
    known = tuple(label for label in labels if label in ALERT_LABELS)
    return known or tuple(label for label in labels if label != "background")


@dataclass(frozen=True)
class ExplainedRule:
    """The rule of one label with the origin of each value."""

    label: str
    alert: bool
    alert_from: Origin
    values: Mapping[str, tuple[Any, Origin]]
    """Values and origins by the names of the fields of `Rule`."""


def explain_rules(
    labels: Sequence[str], thresholds: Mapping[str, Mapping[str, float]], settings: Detection
) -> list[ExplainedRule]:
    """Return the rule of each label with its origins, in the order of `labels`.

    A value is the user's for the label, else the user's default, else the bundle's or built in. A section for a label
    makes it an alert unless it contains ``alert = false``. Raises `ConfigError` for a label that the model lacks.
    """
    for label in settings.classes:
        if label not in labels:
            msg = "the model has no such label"
            raise ConfigError(msg, where=f"detection.classes.{label}", remedy=suggest(label, labels))
    default_alerts = default_alert_labels(labels) if settings.alert is None else tuple(labels) if settings.alert else ()
    explained = []
    for label in labels:
        own = settings.classes.get(label)
        values: dict[str, tuple[Any, Origin]] = {}
        layers: tuple[tuple[Origin, DetectionClass | None], ...] = (
            ("built-in", DEFAULT_VALUES),
            ("bundle", _read_thresholds(thresholds.get(label, {}))),
            ("built-in", LABEL_VALUES.get(label)),
            ("configuration", settings),
            ("configuration", own),
        )
        for origin, layer in layers:
            given = layer.collect_values() if layer else {}
            values |= {name: (value, origin) for name, value in given.items()}
        alert = label in default_alerts if own is None else own.alert is not False
        alert_from: Origin = "built-in" if own is None and settings.alert is None else "configuration"
        explained.append(ExplainedRule(label, alert, alert_from, values))
    return explained


def make_rules(
    labels: Sequence[str], thresholds: Mapping[str, Mapping[str, float]], settings: Detection
) -> tuple[Rule, ...]:
    """Return the rule of each label that makes events, in the order of `labels`.

    See `explain_rules` for its values. Raises `ConfigError` for a label that the model lacks, and for `off` above `on`.
    """
    rules = []
    for explained in explain_rules(labels, thresholds, settings):
        if not explained.alert:
            continue
        rule = Rule(explained.label, **{name: value for name, (value, _) in explained.values.items()})
        if rule.off > rule.on:
            msg = f"off ({rule.off}) must not be above on ({rule.on})"
            raise ConfigError(msg, where=f"detection.classes.{rule.label}")
        rules.append(rule)
    return tuple(rules)


def _read_thresholds(values: Mapping[str, float]) -> DetectionClass:
    """Return a bundle's values for a label: thresholds, and the rule of an impulsive sound."""
    given = {name: float(values[name]) for name in BUNDLE_KEYS if name in values}
    # `make_rules` compares off with on, as the configuration may still change either.
    return (IMPULSE_VALUES if values.get("impulsive") else DetectionClass()).model_copy(update=given)
