"""Loading of the first working bundle among several candidates."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from edge.errors import BundleError
from edge.inference.bundle import EVENTS, convert_errors, read_bundle, require_task

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from typing import TypeAlias

    from edge.inference.bundle import Bundle
    from edge.inference.onnx import OnnxClassifier

    Check: TypeAlias = Callable[[Bundle], None]
    """A check that raises an error for a bundle that its user cannot work with."""

log = logging.getLogger("tocsin.inference")


def accept(_bundle: Bundle) -> None:
    """Accept every bundle."""


def open_bundle(path: Path, task: str | None = None, *, check: Check = accept) -> Bundle:
    """Read a bundle and check its files, its `task` if given, and `check`.

    Raises `BundleError`. The golden recording is checked only when the network is loaded.
    """
    bundle = read_bundle(path)
    if task is not None:
        require_task(bundle, task)
    with convert_errors(path):
        check(bundle)
    return bundle


def verify_bundle(path: Path, task: str | None = None, *, check: Check = accept) -> Bundle:
    """Read and check a bundle like `open_bundle`, and also its golden recording."""
    from edge.inference.onnx import OnnxClassifier  # noqa: PLC0415 - half a second that only a check needs

    bundle = open_bundle(path, task, check=check)
    with convert_errors(path):
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
    """Load the first of `candidates` that passes all checks.

    These are files, `task`, `check` and the golden recording. Every failure is logged in one line. Raises the
    `BundleError` of the first candidate if none works.
    """
    from edge.inference.onnx import OnnxClassifier  # noqa: PLC0415 - half a second that only a run needs

    first: BundleError | None = None
    for path in candidates:
        try:
            bundle = open_bundle(path, task, check=check)
            with convert_errors(path):
                classifier = OnnxClassifier(bundle, provider=provider, threads=threads, cache_dir=cache_dir)
        except BundleError as exc:
            log.error("%s", exc)  # noqa: TRY400 - a user's fault needs no traceback
            first = first or exc
            continue
        if first is not None:
            log.warning("using model %s %s from %s instead", classifier.bundle.id, classifier.bundle.version, path)
        return classifier
    raise first or BundleError("there is no model bundle", remedy="install one with 'tocsin model install PATH'")
