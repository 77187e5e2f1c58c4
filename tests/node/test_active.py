"""The settings of a node, also those that a replacement of the wanted bundle does not understand."""

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
"""Settings for a bundle that knows one label more."""


def settings(**changes: Any) -> Settings:
    return Settings.model_validate({**OTHERS, **changes})


def test_a_replacement_rests_what_it_lacks_and_reloads(caplog: pytest.LogCaptureFixture) -> None:
    """At the start and at every reload alike, so that nothing seems to have changed that has not."""
    active = ActiveSettings(settings(), bundle(), replaced=True)
    assert [*active.settings.detection.classes] == ["drill"]
    assert active.settings.away.ignore == ("drill",)
    assert "no saw: their settings are ignored" in caplog.text
    before = active.rules
    rules, restart = active.change(settings(detection={"classes": {"saw": {}, "siren": {"on": 0.99}}}))
    assert restart == []
    assert rules["siren"].on == 0.99
    assert active.rules is before
    assert [*active.settings.detection.classes] == ["siren"]


def test_what_cannot_change_while_running_is_named_and_stays() -> None:
    """The live sections change, the others keep their values."""
    active = ActiveSettings(settings(), bundle(), replaced=True)
    _, restart = active.change(settings(away={"enabled": False}, logging={"level": "debug"}, level={"enabled": False}))
    assert sorted(restart) == ["away", "level"]
    assert active.settings.away.enabled
    assert active.settings.logging.level == "debug"


def test_the_wanted_bundle_must_know_every_label() -> None:
    """A reload that names another label is refused, and changes nothing."""
    with pytest.raises(ConfigError, match=r"detection\.classes\.saw"):
        ActiveSettings(settings(), bundle(), replaced=False)
    active = ActiveSettings(Settings(), bundle(), replaced=False)
    with pytest.raises(ConfigError, match=r"detection\.classes\.saw"):
        active.change(settings())
    assert active.settings == Settings()
