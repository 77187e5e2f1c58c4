"""Settings of a node, also with a replacement of the wanted bundle."""

from __future__ import annotations

from typing import Any

import pytest

from edge.errors import ConfigError
from edge.node.active import ActiveSettings
from edge.settings.tree import Settings
from tests.support.messages import bundle

OTHERS: dict[str, Any] = {
    "detection": {"classes": {"saw": {"on": 0.5}, "drill": {}}},
    "away": {"enabled": True, "ignore": ["saw", "drill"]},
}
"""Settings for a bundle with one more label."""


def make_settings(**changes: Any) -> Settings:
    """Return these settings with changes."""
    return Settings.model_validate({**OTHERS, **changes})


def test_a_replacement_ignores_settings_of_labels_that_it_lacks(caplog: pytest.LogCaptureFixture) -> None:
    """It does so at the start and at every reload, so that unchanged settings compare equal."""
    active = ActiveSettings(make_settings(), bundle(), replaced=True)
    assert [*active.settings.detection.classes] == ["drill"]
    assert active.settings.away.ignore == ("drill",)
    assert "no saw: their settings are ignored" in caplog.text
    before = active.rules
    rules, restart = active.change(make_settings(detection={"classes": {"saw": {}, "siren": {"on": 0.99}}}))
    assert restart == []
    assert rules["siren"].on == 0.99
    assert active.rules is before
    assert [*active.settings.detection.classes] == ["siren"]


def test_sections_that_need_a_restart_are_named_and_kept() -> None:
    """The live sections change, the others keep their values."""
    active = ActiveSettings(make_settings(), bundle(), replaced=True)
    _, restart = active.change(
        make_settings(away={"enabled": False}, logging={"level": "debug"}, level={"enabled": False})
    )
    assert sorted(restart) == ["away", "level"]
    assert active.settings.away.enabled
    assert active.settings.logging.level == "debug"


def test_the_wanted_bundle_must_have_every_label() -> None:
    """A reload with an unknown label is refused and changes nothing."""
    with pytest.raises(ConfigError, match=r"detection\.classes\.saw"):
        ActiveSettings(make_settings(), bundle(), replaced=False)
    active = ActiveSettings(Settings(), bundle(), replaced=False)
    with pytest.raises(ConfigError, match=r"detection\.classes\.saw"):
        active.change(make_settings())
    assert active.settings == Settings()
