"""Put a pipeline together from a network and the settings: the same for the live service, replay and the tests."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from edge.detection.rules import rules_for
from edge.pipeline import Pipeline

if TYPE_CHECKING:
    from edge.inference.bundle import Bundle
    from edge.settings import Settings


def build_pipeline(bundle: Bundle, settings: Settings) -> Pipeline:
    """Return a fresh pipeline for one stream."""
    return Pipeline(
        bundle.params,
        bundle.labels,
        rules_for(bundle.labels, bundle.thresholds, settings.detection),
        lambda: str(uuid.uuid4()),
        update_s=settings.detection.update_s,
        offset_db=settings.level.calibration_offset_db or 0.0,
    )
