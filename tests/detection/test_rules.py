"""Sources of a rule's values, and refused ones."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from edge.detection.rules import Rule, default_alert_labels, make_rules
from edge.errors import ConfigError
from edge.settings.detection import DEFAULT_VALUES, Detection, DetectionClass

LABELS = ("background", "clap", "dog", "gunshot", "siren", "traffic")


def make_by_label(thresholds: dict[str, dict[str, float]] | None = None, **settings: Any) -> dict[str, Rule]:
    """Return the rules by label."""
    return {rule.label: rule for rule in make_rules(LABELS, thresholds or {}, Detection(**settings))}


def test_the_products_labels_make_events_and_the_rest_is_context() -> None:
    """A dog has scores, but no events."""
    assert set(make_by_label()) == {"clap", "gunshot", "siren", "traffic"}


def test_a_model_with_labels_of_its_own_reports_them_all_but_background() -> None:
    """A foreign bundle needs no code."""
    assert default_alert_labels(("background", "drone", "saw")) == ("drone", "saw")


def test_settings_override_the_bundle_and_the_bundle_the_defaults() -> None:
    """The most specific value counts."""
    thresholds = {"siren": {"on": 0.8, "off": 0.5}, "clap": {"on": 0.9, "off": 0.2}}
    rules = make_by_label(thresholds, hold_s=3.0, classes={"siren": DetectionClass(on=0.85)})
    assert (rules["siren"].on, rules["siren"].off, rules["siren"].hold_s) == (0.85, 0.5, 3.0)
    assert (rules["clap"].on, rules["clap"].hold_s) == (0.9, 3.0)
    assert rules["gunshot"].fast
    assert not rules["traffic"].fast


def test_every_value_of_a_rule_is_built_in_and_can_be_set() -> None:
    """A value added to rules or settings alone fails here."""
    names = {field.name for field in fields(Rule)} - {"label"}
    assert set(DEFAULT_VALUES.collect_values()) == names == set(DetectionClass.model_fields) - {"alert"}


def test_one_window_decides_for_an_impulsive_label() -> None:
    """A foreign bundle's knock makes an event at once; its drone is smoothed."""
    knock, drone = make_rules(("knock", "drone"), {"knock": {"on": 0.6, "off": 0.3, "impulsive": True}}, Detection())
    assert knock.fast
    assert (knock.min_windows, knock.on) == (1, 0.6)
    assert not drone.fast


def test_a_section_for_a_label_makes_it_an_alert_and_alert_false_silences_it() -> None:
    """A rule for a label enables its events."""
    rules = make_by_label(classes={"dog": DetectionClass(on=0.9), "traffic": DetectionClass(alert=False)})
    assert "dog" in rules
    assert "traffic" not in rules


def test_a_label_the_model_does_not_have_is_an_error_with_the_nearest() -> None:
    """A misspelt label must not disable its events."""
    with pytest.raises(ConfigError, match="did you mean 'siren'"):
        make_by_label(classes={"sirene": DetectionClass(on=0.5)})


def test_off_above_on_is_refused_from_any_source() -> None:
    """The two may come from bundle and settings."""
    with pytest.raises(ConfigError, match="siren: off"):
        make_by_label({"siren": {"on": 0.6, "off": 0.5}}, classes={"siren": DetectionClass(on=0.4)})
