"""Record of what a process and its children access: host names, addresses, files written.

A hook in Python would not see the C++ of a dependency, so a small library is preloaded before the C library.
"""

from __future__ import annotations

import ipaddress
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

COMPILER = shutil.which("cc") or shutil.which("gcc")
_SOURCE = Path(__file__).with_name("spy.c")
_NO_FILES = ("/dev/", "/proc/", "/sys/")
_KEPT = ("PATH", "LANG", "LC_ALL", "TOCSIN_DATA")


@dataclass(frozen=True)
class Reached:
    """The recorded accesses."""

    names: frozenset[str]
    """Looked up, addresses in figures and this machine's own name left out."""
    addresses: frozenset[str]
    """Spoken to beyond loopback."""
    files: frozenset[Path]
    """Written, devices left out."""

    def beyond(self, *folders: Path, hosts: Collection[str] = ()) -> list[str]:
        """Return the accesses outside of `hosts` and `folders` as text."""
        strange = [path for path in self.files if not any(path.is_relative_to(folder) for folder in folders)]
        return [
            *(f"looked up {name}" for name in sorted(self.names - set(hosts))),
            *(f"spoke to {address}" for address in sorted(self.addresses - set(hosts))),
            *(f"wrote {path}" for path in sorted(strange)),
        ]


class Spy:
    """A recorder of the processes started with its environment, in an empty home folder."""

    def __init__(self, folder: Path) -> None:
        """Compile the library into `folder`, and make the home and the folder for temporary files there."""
        assert COMPILER is not None
        self.folder, self.home, self.temporary = folder, folder / "home", folder / "tmp"
        for made in (self.home, self.temporary):
            made.mkdir(parents=True)
        self._library, self._log = folder / "spy.so", folder / "reached"
        command = [COMPILER, "-shared", "-fPIC", "-O1", "-o", str(self._library), str(_SOURCE), "-ldl"]
        subprocess.run(command, check=True, capture_output=True)

    @property
    def env(self) -> dict[str, str]:
        """The environment, without variables of tests or build servers, which switch some accesses off."""
        return {
            **{name: os.environ[name] for name in _KEPT if name in os.environ},
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "PYTHONDONTWRITEBYTECODE": "1",
            "LD_PRELOAD": str(self._library),
            "SPY_LOG": str(self._log),
        }

    def run(self, *command: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run Python with arguments and wait for its end."""
        return subprocess.run(
            [sys.executable, *map(str, command)],
            env=self.env,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )

    def reached(self) -> Reached:
        """Return the accesses so far."""
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines() if self._log.exists() else []
        notes = [line.partition(" ")[::2] for line in lines]
        return Reached(
            names=frozenset(name for kind, name in notes if kind == "name" and not _is_address(name)),
            addresses=frozenset(text for kind, text in notes if kind == "address" and not _is_loopback(text)),
            files=frozenset(
                Path(os.path.normpath(path))
                for kind, path in notes
                if kind == "file" and not path.startswith(_NO_FILES)
            ),
        )


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address.partition(" ")[0]).is_loopback
