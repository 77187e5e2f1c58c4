"""Settings reduced to a replacement model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from edge.detection.rules import make_rules
from edge.inference.bundle import read_bundle
from edge.pipeline.fitting import fit_settings
from edge.settings.tree import Settings
from tests.support.bundles import write_bundle

if TYPE_CHECKING:
    from pathlib import Path

    from edge.inference.bundle import Bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """Return a bundle with the thresholds 0.6 and 0.3."""
    return read_bundle(write_bundle(tmp_path / "tiny"))


@pytest.mark.parametrize(
    ("detection", "values"),
    [
        ({"classes": {"siren": {"off": 0.7, "hold_s": 9.0}}}, (0.6, 0.3, 9.0)),
        ({"classes": {"siren": {"on": 0.2, "hold_s": 9.0}}}, (0.6, 0.3, 9.0)),
        ({"off": 0.65, "hold_s": 9.0}, (0.6, 0.3, 9.0)),
        ({"on": 0.9, "classes": {"woodpecker": {"on": 0.1}, "siren": {"off": 0.8}}}, (0.9, 0.8, 1.5)),
        ({"on": 0.9, "classes": {"woodpecker": {"on": 0.1}, "gunshot": {"off": 0.95}}}, (0.6, 0.3, 1.5)),
    ],
)
def test_settings_that_do_not_fit_are_ignored(
    bundle: Bundle, detection: dict[str, Any], values: tuple[float, ...]
) -> None:
    """These are missing labels and inconsistent thresholds; all other settings count."""
    settings = Settings.model_validate({"detection": detection, "away": {"ignore": ["gunshot", "owl"]}})
    settings = fit_settings(settings, bundle)
    rules = {rule.label: rule for rule in make_rules(bundle.labels, bundle.thresholds, settings.detection)}
    assert (rules["siren"].on, rules["siren"].off, rules["siren"].hold_s) == values
    assert settings.away.ignore == ("gunshot",)
