"""The settings in use and the rules from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.away.watch import IGNORED
from edge.claps.reasons import list_reasons
from edge.detection.rules import make_rules
from edge.pipeline.fitting import fit_settings
from edge.settings.away import SOUND

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge.detection.rules import Rule
    from edge.inference.bundle import Bundle
    from edge.settings.tree import Settings
    from edge.telemetry import Metrics

_LIVE = ("detection", "logging")  # the sections that a reload replaces


class ActiveSettings:
    """The settings in use, always reduced to the labels of the bundle."""

    def __init__(self, settings: Settings, bundle: Bundle, *, replaced: bool) -> None:
        """Reduce the settings if another bundle than the wanted one is in use (`replaced`).

        Raises `ConfigError` for a label that the wanted bundle lacks.
        """
        self._bundle, self._replaced = bundle, replaced
        self.settings = self._reduce(settings)
        self.rules = self._make_rules(self.settings)
        """The rules in use, by label."""

    def change(self, settings: Settings) -> tuple[dict[str, Rule], list[str]]:
        """Replace the live sections; return the new rules and the sections that need a restart.

        The caller puts the rules in force. Raises `ConfigError` and changes nothing if the settings and the bundle do
        not match.
        """
        settings = self._reduce(settings)
        rules = self._make_rules(settings)
        old = self.settings
        changed = [name for name in type(settings).model_fields if getattr(settings, name) != getattr(old, name)]
        self.settings = old.model_copy(update={name: getattr(settings, name) for name in _LIVE})
        return rules, [name for name in changed if name not in _LIVE]

    def declare(self, metrics: Metrics) -> None:
        """Create all counters with 0."""
        settings = self.settings
        patterns, reasons = list_outcomes(settings, self._bundle.labels)
        names = [source.name for source in settings.sources]
        metrics.declare(names, [*self.rules], patterns, reasons, [*settings.actions])

    def _make_rules(self, settings: Settings) -> dict[str, Rule]:
        rules = make_rules(self._bundle.labels, self._bundle.thresholds, settings.detection)
        return {rule.label: rule for rule in rules}

    def _reduce(self, settings: Settings) -> Settings:
        return fit_settings(settings, self._bundle) if self._replaced else settings


def list_outcomes(settings: Settings, labels: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return all possible patterns of a node, and all reasons to suppress one.

    `labels` are the event model's.
    """
    patterns: list[str] = []
    reasons: list[str] = []
    if settings.claps.enabled:
        patterns += [name for name, pattern in settings.claps.patterns.items() if pattern.enabled]
        reasons += list_reasons(labels)
    if settings.away.enabled:
        patterns.append(SOUND)
        reasons += [IGNORED] if settings.away.ignore else []
    return patterns, reasons
