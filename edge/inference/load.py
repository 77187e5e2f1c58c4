"""Find a bundle that works: the wanted one, else the previous good one, else the one that was shipped."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from edge.errors import BundleError
from edge.inference.bundle import EVENTS, read_bundle, refusing, require_task

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from typing import TypeAlias

    from edge.inference.bundle import Bundle
    from edge.inference.onnx import OnnxClassifier

    Check: TypeAlias = Callable[[Bundle], None]
    """Raises an error for a bundle that its user cannot work with."""

log = logging.getLogger("tocsin.inference")


def accept(_bundle: Bundle) -> None:
    """Accept every bundle that is whole."""


def open_bundle(path: Path, task: str | None = None, *, check: Check = accept) -> Bundle:
    """Return a bundle that is whole, is for `task` where that is given, and passes `check`.

    Raises `BundleError`. Whether its network still computes what it did is seen when that is loaded.
    """
    bundle = read_bundle(path)
    if task is not None:
        require_task(bundle, task)
    with refusing(path):
        check(bundle)
    return bundle


def verify_bundle(path: Path, task: str | None = None, *, check: Check = accept) -> Bundle:
    """Return a bundle as `open_bundle` does, that also still computes its golden recording."""
    from edge.inference.onnx import OnnxClassifier  # noqa: PLC0415 - half a second that only a check needs

    bundle = open_bundle(path, task, check=check)
    with refusing(path):
        return OnnxClassifier(bundle, provider="cpu").bundle


def load_classifier(
    candidates: Sequence[Path],
    *,
    task: str = EVENTS,
    check: Check = accept,
    provider: str = "auto",
    threads: int = 1,
    cache_dir: Path | None = None,
) -> OnnxClassifier:
    """Return the first of `candidates` that is whole, is for `task`, and passes `check` and its golden replay.

    Each one that fails is said in one line. Raises the first one's `BundleError` when none works.
    """
    from edge.inference.onnx import OnnxClassifier  # noqa: PLC0415 - half a second that only a run needs

    first: BundleError | None = None
    for path in candidates:
        try:
            bundle = open_bundle(path, task, check=check)
            with refusing(path):
                classifier = OnnxClassifier(bundle, provider=provider, threads=threads, cache_dir=cache_dir)
        except BundleError as exc:
            log.error("%s", exc)  # noqa: TRY400 - a user's fault needs no traceback
            first = first or exc
            continue
        if first is not None:
            log.warning("using model %s %s from %s instead", classifier.bundle.id, classifier.bundle.version, path)
        return classifier
    raise first or BundleError("there is no model bundle", remedy="install one with 'tocsin model install PATH'")
