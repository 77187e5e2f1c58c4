"""Checks of the networks and of ONNX Runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.cli.checks.check import Check
from edge.cli.common import find_models_folder, load_clap_classifier, load_event_classifier
from edge.errors import TocsinError, render

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edge.inference.onnx import OnnxClassifier
    from edge.settings.tree import Settings


def check_runtime(settings: Settings) -> Check:
    """Check ONNX Runtime and the configured provider."""
    try:
        from edge.inference.onnx import list_providers
    except ImportError as exc:
        return Check("onnx runtime", "fail", f"cannot be loaded ({exc})", "pip install onnxruntime")
    ours, wanted = list_providers(), settings.model.provider
    if wanted != "auto" and wanted not in ours:
        remedy = "install NVIDIA's wheel of ONNX Runtime, or set model.provider = 'auto'"
        return Check("onnx runtime", "note", f"no {wanted} here, it will run on {ours[0]}", remedy)
    return Check("onnx runtime", "ok", ", ".join(ours))


def check_model(settings: Settings) -> Check:
    """Check the bundle: files, checksums and golden recording."""
    from edge.inference.library import Library

    return _check_bundle(
        "model",
        Library(find_models_folder(settings)).resolve(settings.model.bundle)[0],
        load_event_classifier,
        settings,
    )


def check_claps(settings: Settings) -> Check:
    """Check the bundle of the clap network in the same way."""
    from edge.inference.library import Library

    wanted = Library(find_models_folder(settings)).resolve_clap_network(settings.claps.bundle)[0]
    return _check_bundle("claps", wanted, load_clap_classifier, settings)


def _check_bundle(
    name: str, wanted: Path, load: Callable[[Settings], OnnxClassifier | None], settings: Settings
) -> Check:
    try:
        classifier = load(settings)
    except TocsinError as exc:
        return Check(name, "fail", render(exc.what, where=exc.where), exc.remedy)
    if classifier is None:
        return Check(name, "note", f"{name}.enabled = false")
    bundle = classifier.bundle
    what = f"{bundle.network} network, {len(bundle.labels)} labels"
    found = f"{bundle.id}@{bundle.version}, {what}, golden recording reproduced"
    if bundle.path != wanted:
        return Check(name, "fail", f"{wanted} cannot be used; running {found}", "see 'tocsin model verify'")
    return Check(name, "ok", found)
