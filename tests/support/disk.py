"""A small disk for tests, which can be filled or made read-only."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Disk:
    """A tmpfs mounted on a folder."""

    def __init__(self, folder: Path, size_mb: int = 4) -> None:
        """Mount it."""
        self.folder = folder
        folder.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_mb}m", "none", str(folder)], check=True)

    def fill(self) -> None:
        """Fill the disk completely."""
        with (self.folder / "fill").open("ab", buffering=0) as file, contextlib.suppress(OSError):
            for size in (65_536, 4_096):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(bytes(size))

    def make_room(self) -> None:
        """Remove the file of `fill`."""
        (self.folder / "fill").unlink()

    def remount(self, mode: str) -> None:
        """Mount it read-only (`ro`) or writable (`rw`)."""
        subprocess.run(["mount", "-o", f"remount,{mode}", str(self.folder)], check=True)

    def close(self) -> None:
        """Unmount it, also while it is in use."""
        subprocess.run(["umount", "-l", str(self.folder)], check=True)


@contextlib.contextmanager
def disk(folder: Path, size_mb: int = 4) -> Iterator[Disk]:
    """Yield a disk mounted on a new folder."""
    mounted = Disk(folder, size_mb)
    try:
        yield mounted
    finally:
        mounted.close()


def _can_mount() -> bool:
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return False
    folder = Path(tempfile.mkdtemp(prefix="tocsin-disk-"))
    try:
        done = subprocess.run(["mount", "-t", "tmpfs", "none", str(folder)], check=False, capture_output=True)
        if done.returncode == 0:
            subprocess.run(["umount", str(folder)], check=True)
        return done.returncode == 0
    finally:
        folder.rmdir()


CAN_MOUNT = _can_mount()
