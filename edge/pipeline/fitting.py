"""Settings reduced to the labels and thresholds of a replacement model."""

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


def fit_settings(settings: Settings, bundle: Bundle) -> Settings:
    """Return the settings that apply to a bundle in use instead of the wanted one.

    Settings for labels that it lacks are left out, and so are thresholds that are inconsistent with its own. This is
    not for the wanted bundle itself, where such settings are errors.
    """
    away, labels = settings.away, bundle.labels
    if unknown := sorted({*settings.detection.classes, *away.ignore} - {*labels}):
        log.warning("the model in use has no %s: their settings are ignored", ", ".join(unknown))
    ignore = tuple(label for label in away.ignore if label in labels)
    return settings.model_copy(
        update={
            "detection": _fit_detection(settings.detection, bundle),
            "away": away.model_copy(update={"ignore": ignore}),
        }
    )


def _fit_detection(detection: Detection, bundle: Bundle) -> Detection:
    classes = {label: rule for label, rule in detection.classes.items() if label in bundle.labels}
    fitted = detection.model_copy(update={"classes": classes})
    try:
        make_rules(bundle.labels, bundle.thresholds, fitted)
    except ConfigError as exc:  # the thresholds were chosen for the scores of another model
        log.warning("%s in the model in use: every on and off of the settings is ignored", exc)
        none = {"on": None, "off": None}
        own = {label: rule.model_copy(update=none) for label, rule in classes.items()}
        return fitted.model_copy(update={**none, "classes": own})
    return fitted
