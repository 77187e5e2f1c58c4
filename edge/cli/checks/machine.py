"""Checks of the machine itself: interpreter, disk and clock."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from typing import TYPE_CHECKING

from edge import systemd
from edge.cli.checks.check import Check
from edge.cli.common import find_state_folder, may_read

if TYPE_CHECKING:
    from edge.settings.tree import Settings


def check_python() -> Check:
    """Report the interpreter; the installation has checked its version."""
    return Check("python", "ok", f"{platform.python_version()} in {sys.prefix}")


def check_state_folder(settings: Settings) -> Check:
    """Check that the state folder can be written."""
    folder = find_state_folder(settings)
    if not may_read(folder):
        return Check("state folder", "fail", f"{folder}: not allowed to look into it", "run 'sudo tocsin doctor'")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
    except OSError as exc:
        return Check("state folder", "fail", f"{folder}: {exc.strerror}", "set storage.path to another folder")
    return Check("state folder", "ok", str(folder))


def check_disk(settings: Settings) -> Check:
    """Check the free disk space."""
    folder = find_state_folder(settings)
    while not os.path.exists(folder):  # noqa: PTH110 - raises no error without permission
        folder = folder.parent
    free = shutil.disk_usage(folder).free >> 20
    if free < settings.storage.min_free_mb:
        return Check("disk", "fail", f"{free} MiB free", "make room, or lower storage.clips_max_mb")
    return Check("disk", "ok", f"{free} MiB free")


def check_clock(settings: Settings) -> Check:  # noqa: ARG001 - every check takes the settings
    """Check that the clock is synchronised, so that timestamps are right."""
    if systemd.is_clock_synced():
        return Check("clock", "ok", "synchronised")
    return Check("clock", "note", "not synchronised; events are marked", "timedatectl set-ntp true")
