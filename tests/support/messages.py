"""The message factory of a node without networks."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from edge.node.active import ActiveSettings
from edge.node.messages import Messages
from edge.settings.tree import Settings
from edge.types import ModelInfo
from tests.support.bundles import PARAMS

LABELS = ("siren", "gunshot", "drill")


def bundle() -> Any:
    """Return a bundle with the fields that settings and messages need."""
    return SimpleNamespace(labels=LABELS, thresholds={}, params=PARAMS)


def make_messages(settings: Settings | None = None) -> Messages:
    """Return the message factory of a node `n` with these settings."""
    classifier: Any = SimpleNamespace(bundle=bundle(), info=ModelInfo("tiny", "1", "0" * 64, "cpu"))
    return Messages("n", ActiveSettings(settings or Settings(), classifier.bundle, replaced=False), classifier)
