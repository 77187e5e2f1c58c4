"""Checks of the sources."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Literal, TypeVar

from edge.cli.checks.check import Check
from edge.errors import Unavailable, render

if TYPE_CHECKING:
    from edge.settings.tree import Settings

Spec = TypeVar("Spec")


def check_microphones(settings: Settings) -> Check:
    """Check PortAudio and the microphones that are configured."""
    from edge.audio.sources.devices import list_microphones
    from edge.audio.sources.identity import find_matches, make_unique_ids
    from edge.audio.sources.microphone import describe_ambiguity
    from edge.settings.source_spec import MicSpec

    specs = _parse_specs(settings, MicSpec)
    bad: Literal["fail", "note"] = "fail" if specs else "note"
    try:
        found = list_microphones()
    except Unavailable as exc:
        return Check("microphones", bad, render(exc.what, where=exc.where), exc.remedy)
    if not found:
        remedy = "plug one in, and put the user into the group 'audio' (usermod -aG audio USER)"
        return Check("microphones", bad, "none", remedy)
    names = [microphone.name for microphone in found]
    places = {spec.device: find_matches(names, spec.device) for spec in specs if spec.device}
    if missing := sorted(device for device, matched in places.items() if not matched):
        return Check("microphones", "fail", f"not there: {', '.join(missing)}", "'tocsin devices' lists those that are")
    if any(spec.device is None for spec in specs) and not any(microphone.is_default for microphone in found):
        return Check("microphones", "fail", "no default one", "'tocsin devices' lists those that are; name one")
    unsure = [
        describe_ambiguity(d, make_unique_ids([names[n] for n in matched]))
        for d, matched in places.items()
        if len(matched) > 1
    ]
    if unsure:
        return Check("microphones", "note", "; ".join(unsure))
    return Check("microphones", "ok", ", ".join(sorted({microphone.id for microphone in found})))


def check_ffmpeg(settings: Settings) -> Check:
    """Check ffmpeg, which opens network streams."""
    from edge.settings.source_spec import UrlSpec

    path = shutil.which("ffmpeg")
    if path:
        return Check("ffmpeg", "ok", path)
    state: Literal["fail", "note"] = "fail" if _parse_specs(settings, UrlSpec) else "note"
    return Check("ffmpeg", state, "not installed", "rtsp and http sources need it: apt install ffmpeg")


def check_files(settings: Settings) -> Check:
    """Check that the configured recordings exist."""
    from edge.settings.source_spec import FileSpec

    specs = _parse_specs(settings, FileSpec)
    if missing := [str(spec.path) for spec in specs if not os.path.isfile(spec.path)]:  # noqa: PTH113 - raises no error
        return Check("files", "fail", f"not there: {', '.join(missing)}", "correct the path in sources")
    return Check("files", "ok", f"{len(specs)} configured")


def _parse_specs(settings: Settings, kind: type[Spec]) -> list[Spec]:
    from edge.settings.source_spec import parse_source

    parsed = (parse_source(source.spec) for source in settings.sources if source.enabled)
    return [spec for spec in parsed if isinstance(spec, kind)]
