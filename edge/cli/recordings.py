"""`tocsin classify` and `tocsin replay`: labels and events of recordings."""

from __future__ import annotations

import contextlib
import functools
import math
import os
import sys
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from edge.cli.common import (
    choose_node_name,
    load_clap_classifier,
    load_model,
    print_json,
    print_table,
    read_settings,
    set_up_command_log,
    warn,
)
from edge.cli.progress import show_progress
from edge.errors import InputMissing, TocsinError, UsageError, describe_bug
from edge.settings.profiles import make_replay_settings
from edge.settings.section import SLUG_RULE
from edge.settings.tree import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

_SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64"})
_SUFFIXES |= {".m4a", ".mp4", ".webm", ".aac", ".amr", ".wma", ".spx", ".mp2", ".aifc", ".snd", ".rf64"}
_TABLE_LABELS = 3


def classify_recordings(
    paths: list[Path], config: Path | None, *, top_k: int | None, hop_s: float | None, as_json: bool
) -> int:
    """Classify recordings and print the results.

    An unreadable recording is reported and skipped. Returns the exit code of the last one, or 0.
    """
    set_up_command_log()
    classify = _load_classifier(config, hop_s=hop_s, top_k=top_k if as_json or top_k else _TABLE_LABELS)
    files, code = _collect_files(paths)
    rows: list[tuple[str, ...]] = []
    bugs: list[_InternalError] = []
    try:
        with show_progress("classifying", shown=not (as_json and sys.stdout.isatty())) as on_progress:
            for done, path in enumerate(files):
                on_progress(done, len(files))
                answer = _classify_one(classify, path)
                if isinstance(answer, TocsinError):
                    code = answer.exit_code
                    if isinstance(answer, _InternalError):
                        bugs.append(answer)
                    else:
                        warn(str(answer))
                    continue
                if "remark" in answer:
                    warn(f"{path}: {answer['remark']}")
                if as_json:
                    print_json({"path": str(path), **answer})
                else:
                    rows.append(_format_row(path, answer))
    finally:  # also after an interruption
        if rows:
            print_table(("file", "seconds", "labels", "events"), rows)
    for bug in bugs[:-1]:
        warn(str(bug))
    if bugs:
        raise bugs[-1]
    return code


def _load_classifier(
    config: Path | None, *, hop_s: float | None, top_k: int | None
) -> Callable[[Path], dict[str, Any]]:
    """Return a function that classifies a recording; raises `UsageError` for an invalid hop."""
    if hop_s is not None and not 0 < hop_s < math.inf:
        msg = "the hop must be a number of seconds above 0"
        raise UsageError(msg, where=f"--hop {hop_s:g}")
    from edge.pipeline.clip import ClipClassifier

    classifier, settings = load_model(read_settings(config))
    clips = ClipClassifier(classifier, settings.detection)
    return functools.partial(clips.classify, hop_s=hop_s, top_k=top_k)


class _InternalError(TocsinError):
    """An internal error of Tocsin with one recording."""


def _classify_one(classify: Callable[[Path], dict[str, Any]], path: Path) -> dict[str, Any] | TocsinError:
    """Classify one recording and return the answer or the error.

    The error of one recording must not stop the others.
    """
    try:
        return classify(path)
    except UsageError:
        raise
    except TocsinError as exc:
        return exc
    except Exception as exc:  # noqa: BLE001 - any internal error
        bug = _InternalError(describe_bug(exc), where=path)
        bug.__cause__ = exc
        return bug


def _collect_files(paths: Iterable[Path]) -> tuple[list[Path], int]:
    """Return the recordings at and below some paths, and an exit code.

    The code is that of `InputMissing` if a folder contains no recording, otherwise 0.
    """
    files, code = [], 0
    for path in paths:
        found = _find_recordings(path)
        if not found:
            warn(f"{path}: there is no recording in this folder ({' '.join(sorted(_SUFFIXES))})")
            code = InputMissing.exit_code
        files += found
    return files, code


def replay_recording(file: Path, config: Path | None, *, speed: str, source_name: str, away: bool) -> int:
    """Print the events of a recording as they occur."""
    set_up_command_log()
    from edge.pipeline.replay import replay

    times = _parse_speed(speed)
    try:
        Source(name=source_name)
    except ValidationError as exc:
        msg = f"the name must be {SLUG_RULE}"
        raise UsageError(msg, where=f"--source-name {source_name}") from exc
    classifier, settings = load_model(make_replay_settings(read_settings(config), away=away))
    # Events on the terminal show the progress by themselves.
    with show_progress("replaying", shown=not sys.stdout.isatty()) as on_progress:
        for event in replay(
            file,
            classifier,
            settings,
            node=choose_node_name(settings),
            speed=times,
            source_name=source_name,
            clap_network=load_clap_classifier(settings),
            on_progress=on_progress,
        ):
            print_json(event)
    return 0


def _parse_speed(text: str) -> float | None:
    if text == "max":
        return None
    with contextlib.suppress(ValueError):
        speed = float(text)
        if 0 < speed < math.inf:
            return speed
    msg = "the speed must be 'max' or a number above 0, such as 1 for real time"
    raise UsageError(msg, where=f"--speed {text}")


def _find_recordings(path: Path) -> list[Path]:
    """Return the recordings below a folder in order, or the file itself."""
    if not os.path.isdir(path):  # noqa: PTH112 - raises no error without permission
        return [path]
    return sorted(p for p in path.rglob("*") if p.suffix.lower() in _SUFFIXES and os.path.isfile(p))  # noqa: PTH113


def _format_row(path: Path, answer: dict[str, Any]) -> tuple[str, str, str, str]:
    labels = ", ".join(f"{entry['label']} {entry['score']:.2f}" for entry in answer["labels"])
    events = ", ".join(f"{e['label']} {e['onset_s']:.1f}-{e['offset_s']:.1f} s" for e in answer["events"])
    return str(path), f"{answer['duration_s']:.1f}", labels, events or "-"
