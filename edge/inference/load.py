"""Find a bundle that works: the wanted one, else the previous good one, else the one that was shipped."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from edge.claps.bundle import check_clap_bundle
from edge.detection.rules import rules_for
from edge.errors import BundleError
from edge.inference.bundle import CLAPS, EVENTS, bad_bundle, read_bundle, refusing, require_task
from edge.publish.topics import label_name
from edge.settings import Detection

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edge.inference.bundle import Bundle
    from edge.inference.onnx import OnnxClassifier

log = logging.getLogger("tocsin.inference")


def open_bundle(path: Path, task: str | None = None) -> Bundle:
    """Return a bundle that is whole and can be used for its task, which must be `task` where that is given.

    Raises `BundleError`. Whether its network still computes what it did is seen when that is loaded.
    """
    bundle = read_bundle(path)
    if task is not None:
        require_task(bundle, task)
    with refusing(path):
        if bundle.task == CLAPS:
            check_clap_bundle(bundle)
        else:
            rules_for(bundle.labels, bundle.thresholds, Detection())
            _check_names(bundle)
    return bundle


def _check_names(bundle: Bundle) -> None:
    """Raise `BundleError` where two labels would be ON and OFF in each other's place."""
    labels: dict[str, str] = {}
    for label in bundle.labels:
        other = labels.setdefault(label_name(label), label)
        if other != label:
            raise bad_bundle(bundle.path, f"the labels {other!r} and {label!r} have the same name in topics")


def verify_bundle(path: Path, task: str | None = None) -> Bundle:
    """Return a bundle as `open_bundle` does, that also still computes its golden recording."""
    from edge.inference.onnx import OnnxClassifier  # noqa: PLC0415 - half a second that only a check needs

    bundle = open_bundle(path, task)
    with refusing(path):
        return OnnxClassifier(bundle, provider="cpu").bundle


def load_classifier(
    candidates: Sequence[Path],
    *,
    task: str = EVENTS,
    provider: str = "auto",
    threads: int = 1,
    cache_dir: Path | None = None,
) -> OnnxClassifier:
    """Return the first of `candidates` that is whole, is for `task`, and passes its golden replay.

    Each one that fails is said in one line. Raises the first one's `BundleError` when none works.
    """
    from edge.inference.onnx import OnnxClassifier  # noqa: PLC0415 - half a second that only a run needs

    first: BundleError | None = None
    for path in candidates:
        try:
            bundle = open_bundle(path, task)
            with refusing(path):
                classifier = OnnxClassifier(bundle, provider=provider, threads=threads, cache_dir=cache_dir)
        except BundleError as exc:
            log.error("%s", exc)  # noqa: TRY400 - a user's fault needs no traceback
            first = first or exc
            continue
        if first is not None:
            log.warning("using model %s %s from %s instead", classifier.bundle.id, classifier.bundle.version, path)
        return classifier
    raise first or BundleError("there is no model bundle; install one with 'tocsin model install PATH'")
