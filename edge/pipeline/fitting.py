"""Settings for a replacement: what they say of the wanted model rests where the model in use cannot follow it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from edge.detection.rules import make_rules
from edge.errors import ConfigError

if TYPE_CHECKING:
    from edge.inference.bundle import Bundle
    from edge.settings.detection import Detection
    from edge.settings.tree import Settings

log = logging.getLogger("tocsin.service")


def fitting(settings: Settings, bundle: Bundle) -> Settings:
    """Return settings that go together with a bundle that runs in the place of the wanted one.

    Labels that it lacks rest, and so do thresholds that cannot go together with its own. Of the wanted bundle nothing
    rests: there the configuration is to be corrected.
    """
    away, labels = settings.away, bundle.labels
    if unknown := sorted({*settings.detection.classes, *away.ignore} - {*labels}):
        log.warning("the model in use has no %s: what is set for them rests", ", ".join(unknown))
    ignore = tuple(label for label in away.ignore if label in labels)
    return settings.model_copy(
        update={
            "detection": _followed(settings.detection, bundle),
            "away": away.model_copy(update={"ignore": ignore}),
        }
    )


def _followed(detection: Detection, bundle: Bundle) -> Detection:
    classes = {label: rule for label, rule in detection.classes.items() if label in bundle.labels}
    followed = detection.model_copy(update={"classes": classes})
    try:
        make_rules(bundle.labels, bundle.thresholds, followed)
    except ConfigError as exc:  # they were chosen for the scores of another model
        log.warning("%s in the model in use: every on and off that is set rests", exc)
        none = {"on": None, "off": None}
        own = {label: rule.model_copy(update=none) for label, rule in classes.items()}
        return followed.model_copy(update={**none, "classes": own})
    return followed
