"""Construction of pipelines from bundles and settings, for service, replay and tests."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from edge.away.watch import AwayWatch
from edge.claps.bundle import check_clap_bundle, check_clap_rate, compute_clap_threshold
from edge.claps.listener import ClapListener
from edge.detection.rules import make_rules
from edge.inference.bundle import CLAPS, bad_bundle
from edge.pipeline.pipeline import Pipeline
from edge.publish.topics import label_name
from edge.settings.detection import Detection

if TYPE_CHECKING:
    from edge.inference.bundle import Bundle
    from edge.inference.library import Library
    from edge.inference.onnx import OnnxClassifier
    from edge.settings.away import Away
    from edge.settings.claps import Claps
    from edge.settings.tree import Settings


def build_pipeline(
    bundle: Bundle, settings: Settings, *, source: str, clap_network: OnnxClassifier | None = None
) -> Pipeline:
    """Return a new pipeline for the stream of `source`.

    With a `clap_network` it detects clap patterns, and with the away mode enabled it watches for sounds, each if the
    source takes part in it. Raises `ConfigError` if settings and bundle do not match.
    """
    claps, away = settings.claps, settings.away
    pipeline = Pipeline(
        bundle.params,
        bundle.labels,
        make_rules(bundle.labels, bundle.thresholds, settings.detection),
        lambda: str(uuid.uuid4()),
        update_s=settings.detection.update_s,
        offset_db=settings.level.calibration_offset_db or 0.0,
    )
    if clap_network and _takes_part(source, claps):
        pipeline.claps = _make_clap_listener(bundle, claps, clap_network)
    if away.enabled and _takes_part(source, away):
        pipeline.away = AwayWatch(away, bundle.params, bundle.labels)
    return pipeline


def load_clap_network(settings: Settings, library: Library) -> OnnxClassifier | None:
    """Return the clap network if claps are enabled; raises `BundleError` if it fails."""
    if not settings.claps.enabled:
        return None
    from edge.inference.load import load_classifier  # noqa: PLC0415 - takes half a second, which only a run needs

    candidates = library.resolve_clap_network(settings.claps.bundle)
    return load_classifier(candidates, task=CLAPS, check=check_bundle, provider="cpu")


def check_bundle(bundle: Bundle) -> None:
    """Raise `BundleError` or `ConfigError` for a bundle that no pipeline can use."""
    if bundle.task == CLAPS:
        check_clap_bundle(bundle)
    else:
        make_rules(bundle.labels, bundle.thresholds, Detection())
        _check_names(bundle)


def _check_names(bundle: Bundle) -> None:
    """Raise `BundleError` for two labels with the same name in topics."""
    labels: dict[str, str] = {}
    for label in bundle.labels:
        other = labels.setdefault(label_name(label), label)
        if other != label:
            raise bad_bundle(bundle.path, f"the labels {other!r} and {label!r} have the same name in topics")


def _make_clap_listener(bundle: Bundle, settings: Claps, network: OnnxClassifier) -> ClapListener:
    check_clap_rate(bundle)
    return ClapListener(network, compute_clap_threshold(network.bundle, settings.sensitivity), bundle.labels, settings)


def _takes_part(source: str, settings: Claps | Away) -> bool:
    return not settings.sources or source in settings.sources
