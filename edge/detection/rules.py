"""What turns a label's scores into events: the built-in defaults, the bundle's thresholds, the user's settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from edge.errors import ConfigError, suggest
from edge.settings.detection import ANY_LABEL, IMPULSE, OF_BUNDLE, OF_LABEL, DetectionClass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edge.settings.detection import Detection

Origin = Literal["built-in", "bundle", "configuration"]

ALERT_LABELS = ("siren", "gunshot", "traffic", "horn", "clap")


@dataclass(frozen=True, slots=True)
class Rule:
    """How one label's scores become events."""

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
        """Whether one strong window decides."""
        return self.smoothing_s == 0.0


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
            msg = "the model has no such label"
            raise ConfigError(msg, where=f"detection.classes.{label}", remedy=suggest(label, labels))
    default_alerts = alert_labels(labels) if settings.alert is None else tuple(labels) if settings.alert else ()
    explained = []
    for label in labels:
        own = settings.classes.get(label)
        values: dict[str, tuple[Any, Origin]] = {}
        layers: tuple[tuple[Origin, DetectionClass | None], ...] = (
            ("built-in", ANY_LABEL),
            ("bundle", _read_thresholds(thresholds.get(label, {}))),
            ("built-in", OF_LABEL.get(label)),
            ("configuration", settings),
            ("configuration", own),
        )
        for origin, layer in layers:
            given = layer.collect_values() if layer else {}
            values |= {name: (value, origin) for name, value in given.items()}
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
            msg = f"off ({rule.off}) must not be above on ({rule.on})"
            raise ConfigError(msg, where=f"detection.classes.{rule.label}")
        rules.append(rule)
    return tuple(rules)


def _read_thresholds(values: Mapping[str, float]) -> DetectionClass:
    """Return what a bundle says of a label: where events begin and end, and whether one window decides."""
    said = {name: float(values[name]) for name in OF_BUNDLE if name in values}
    # Whether off is below on is seen once the configuration has had its say.
    return (IMPULSE if values.get("impulsive") else DetectionClass()).model_copy(update=said)
