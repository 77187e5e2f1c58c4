"""Where a rule's values come from, and what is refused."""

from __future__ import annotations

from dataclasses import fields

import pytest

from edge.detection.rules import Rule, default_alert_labels, make_rules
from edge.errors import ConfigError
from edge.settings.detection import ANY_LABEL, Detection, DetectionClass

LABELS = ("background", "clap", "dog", "gunshot", "siren", "traffic")


def by_label(thresholds: dict[str, dict[str, float]] | None = None, **settings: object) -> dict[str, object]:
    return {rule.label: rule for rule in make_rules(LABELS, thresholds or {}, Detection(**settings))}


def test_the_products_labels_make_events_and_the_rest_is_context() -> None:
    """A dog is shown, not reported."""
    assert set(by_label()) == {"clap", "gunshot", "siren", "traffic"}


def test_a_model_with_labels_of_its_own_reports_them_all_but_background() -> None:
    """A stranger's bundle needs no line of code."""
    assert default_alert_labels(("background", "drone", "saw")) == ("drone", "saw")


def test_user_beats_bundle_beats_built_in() -> None:
    """The most particular value wins."""
    thresholds = {"siren": {"on": 0.8, "off": 0.5}, "clap": {"on": 0.9, "off": 0.2}}
    rules = by_label(thresholds, hold_s=3.0, classes={"siren": DetectionClass(on=0.85)})
    assert (rules["siren"].on, rules["siren"].off, rules["siren"].hold_s) == (0.85, 0.5, 3.0)
    assert (rules["clap"].on, rules["clap"].hold_s) == (0.9, 3.0)
    assert rules["gunshot"].fast
    assert not rules["traffic"].fast


def test_every_value_of_a_rule_is_built_in_and_can_be_set() -> None:
    """A value that is added to rules or settings alone is found here."""
    names = {field.name for field in fields(Rule)} - {"label"}
    assert set(ANY_LABEL.collect_values()) == names == set(DetectionClass.model_fields) - {"alert"}


def test_one_window_decides_on_what_the_bundle_calls_impulsive() -> None:
    """A stranger's knock of half a second makes an event; their drone is smoothed."""
    knock, drone = make_rules(("knock", "drone"), {"knock": {"on": 0.6, "off": 0.3, "impulsive": True}}, Detection())
    assert knock.fast
    assert (knock.min_windows, knock.on) == (1, 0.6)
    assert not drone.fast


def test_a_section_for_a_label_makes_it_an_alert_and_alert_false_silences_it() -> None:
    """Writing down a rule is asking for events."""
    rules = by_label(classes={"dog": DetectionClass(on=0.9), "traffic": DetectionClass(alert=False)})
    assert "dog" in rules
    assert "traffic" not in rules


def test_a_label_the_model_does_not_have_is_an_error_with_the_nearest() -> None:
    """A typing mistake must not silence a siren."""
    with pytest.raises(ConfigError, match="did you mean 'siren'"):
        by_label(classes={"sirene": DetectionClass(on=0.5)})


def test_off_above_on_is_refused_wherever_the_two_come_from() -> None:
    """Only together do they make sense."""
    with pytest.raises(ConfigError, match="siren: off"):
        by_label({"siren": {"on": 0.6, "off": 0.5}}, classes={"siren": DetectionClass(on=0.4)})
