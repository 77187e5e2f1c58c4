"""Checks of the clap network's bundle, and its probability threshold."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from edge.claps.crop import CLAP_FRONT_END
from edge.errors import BundleError

if TYPE_CHECKING:
    from edge.inference.bundle import Bundle

_SPAN = 2.0  # in logits: from the middle of the sensitivity's range to either end


def check_clap_bundle(bundle: Bundle) -> None:
    """Raise `BundleError` for a bundle that cannot confirm claps."""
    if bundle.labels != ("clap",) or bundle.params != CLAP_FRONT_END or bundle.streaming:
        msg = "the bundle is not a clap network of this version"
        raise BundleError(msg, where=f"model bundle {bundle.path}", remedy="leave out claps.bundle")


def check_clap_rate(bundle: Bundle) -> None:
    """Raise `BundleError` for an event bundle at another sample rate than the clap network's."""
    rate_hz = bundle.params.sample_rate_hz
    if rate_hz != CLAP_FRONT_END.sample_rate_hz:
        msg = f"the bundle needs sound at {rate_hz} Hz, but claps need {CLAP_FRONT_END.sample_rate_hz} Hz"
        remedy = "choose another bundle or set claps.enabled = false"
        raise BundleError(msg, where=f"model bundle {bundle.path}", remedy=remedy)


def compute_clap_threshold(bundle: Bundle, sensitivity: float) -> float:
    """Return the least probability of a clap: the bundle's own at a sensitivity of 0.5."""
    on = min(0.999, max(0.001, float(bundle.thresholds.get("clap", {}).get("on", 0.5))))
    logit = math.log(on / (1.0 - on)) + (0.5 - sensitivity) * 2.0 * _SPAN
    return 1.0 / (1.0 + math.exp(-logit))
