"""The model bundles on this device: those that were shipped and those that were installed, and which one is used.

Installed bundles lie in ``models/<id>@<version>`` of the state folder. A bundle is checked, golden recording and all,
before it is taken in and before it is activated.
"""

from __future__ import annotations

import logging
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from edge.errors import BundleError, InputMissing
from edge.inference.bundle import EVENTS, read_bundle, read_manifest
from edge.inference.choice import CHOICES, hand_over, read_choice, write_choice, writing_to
from edge.inference.load import accept, verify_bundle
from edge.inference.unpack import unpack

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge.inference.bundle import Bundle
    from edge.inference.load import Check

log = logging.getLogger("tocsin.inference")

SHIPPED = Path(__file__).parents[1] / "models"
DEFAULT_ID = "city"
CLAPS_ID = "claps"
"""The shipped clap network, which tells no events."""


class Installed(NamedTuple):
    """What became of a bundle that was to be installed."""

    path: Path
    how: Literal["new", "mended", "kept"]


class Back(NamedTuple):
    """Where a rollback led."""

    path: Path
    changed: bool
    """False where it had been gone back to before."""


class Library:
    """The bundles below a state folder, and the shipped ones."""

    def __init__(self, state_dir: Path, shipped: Path = SHIPPED, *, check: Check = accept) -> None:
        """Take the folders; nothing is read or made yet.

        `check` is applied to every bundle that is installed or activated.
        """
        self._check = check
        self._folder = state_dir / "models"
        self._shipped = shipped

    def paths(self) -> list[Path]:
        """Return the folder of every bundle, installed ones first, by name and newest version first."""
        installed = [path for path in _folders(self._folder) if "@" in path.name]
        ordered = sorted(installed, key=lambda path: (path.name.partition("@")[0], _version_key(path)), reverse=True)
        return ordered + _folders(self._shipped)

    def entries(self, wanted: str = DEFAULT_ID) -> list[dict[str, Any]]:
        """Return what is known about every bundle as JSON values; `problem` says why one cannot be used.

        The one that ``model.bundle = wanted`` leads to is `active`.
        """
        active = self.resolve(wanted)[:1]
        return [self._entry(path, active=path in active) for path in self.paths()]

    def find(self, name: str) -> Path:
        """Return the folder of ``ID`` (its newest version), ``ID@VERSION`` or a path; raises `InputMissing`."""
        if "/" in name and Path(name).is_dir():
            return Path(name)
        if named := self._named(name):
            return named[0]
        known = ", ".join(path.name for path in self.paths()) or "none"
        msg = f"there is no model bundle {name!r} on this device"
        raise InputMissing(msg, remedy=f"there is {known}")

    def resolve(self, wanted: str) -> list[Path]:
        """Return the folders to try, best first, so that a bad bundle is replaced by the previous good one.

        `wanted` is ``model.bundle``: a path or an id. The default id leaves the choice to what was activated, else it
        is the shipped bundle: one that was only installed, or gone back from, comes after that. A wanted bundle that
        is not there is returned all the same, so that its absence is said.
        """
        active, previous, undone = (self._pointed(key) for key in CHOICES)
        shipped = [path for path in _folders(self._shipped) if path.name != CLAPS_ID]
        named = self._named(wanted)
        if wanted == DEFAULT_ID:
            chosen = [*active, *previous] if active else []
            order = [*chosen, *(path for path in named if path in shipped), *shipped, *previous, *undone, *named]
        else:
            order = [*(named[:1] or [self._folder / wanted]), *active, *previous, *shipped, *undone]
        return list(dict.fromkeys(order)) or [self._folder / wanted]

    def clap_networks(self, wanted: str) -> list[Path]:
        """Return the folders to try for ``claps.bundle = wanted``, best first; the shipped one is the last resort."""
        named = self._named(wanted)
        return list(dict.fromkeys([*(named[:1] or [self._folder / wanted]), self._shipped / CLAPS_ID]))

    def install(self, source: Path) -> Installed:
        """Take in a bundle from a folder or a .zip or .tar file.

        Nothing changes unless the whole of it is in order. One of the same name stays when it is the same, is replaced
        when it is damaged, and keeps its name from another one otherwise. Raises `BundleError` for a bad one,
        `InputMissing`, `StorageError` or `Forbidden`.
        """
        with writing_to(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self._folder, prefix=".install-") as temporary:
                fresh = Path(temporary) / "bundle"
                unpack(source, fresh)
                bundle = _verify_copy(fresh, source, self._check)
                target = self._folder / f"{bundle.id}@{bundle.version}"
                hand_over(fresh, self._folder)
                if not target.exists():
                    fresh.rename(target)
                    return Installed(target, "new")
                there = _manifest(target, self._check)
                if there is None:
                    target.rename(Path(temporary) / "damaged")
                    fresh.rename(target)
                    return Installed(target, "mended")
                if there != bundle.manifest:
                    msg = f"another bundle {target.name} is installed already"
                    raise BundleError(msg, remedy="give the new one another version")
                return Installed(target, "kept")

    def activate(self, name: str) -> Path:
        """Make a bundle the one in use from the next start; the one before is kept as previous.

        Raises `InputMissing` when it is not there or not installed, and `BundleError` when it does not pass its checks,
        or is no bundle for events.
        """
        path = self.find(name)
        if path.resolve() not in [ours.resolve() for ours in self.paths()]:
            msg = "the bundle is not installed"
            raise InputMissing(msg, where=path, remedy=f"install it with 'tocsin model install {path}'")
        verify_bundle(path, EVENTS, check=self._check)
        active = read_choice(self._folder).get("active", DEFAULT_ID)
        if path.name != active:
            write_choice(self._folder, active=path.name, previous=active)
        return path

    def rollback(self) -> Back:
        """Go back to the bundle that was in use before, or to the shipped one.

        Done again it changes nothing: to use the one that was gone back from is to activate it.
        """
        pointer = read_choice(self._folder)
        if not pointer:
            msg = "there is no earlier bundle: the shipped one is in use, and no other was activated"
            raise InputMissing(msg)
        changed = "undone" not in pointer
        if changed:
            write_choice(self._folder, active=pointer.get("previous", DEFAULT_ID), undone=pointer.get("active"))
        return Back(self.resolve(DEFAULT_ID)[0], changed)

    def _named(self, name: str) -> list[Path]:
        """Return the folders that ``ID``, ``ID@VERSION`` or a path stands for, best first."""
        if "/" in name:
            return [Path(name)]
        bundle_id, _, version = name.partition("@")
        same_id = [path for path in self.paths() if path.name.partition("@")[0] == bundle_id]
        return [path for path in same_id if not version or version == _version(path)]

    def _pointed(self, key: str) -> list[Path]:
        name = read_choice(self._folder).get(key)
        return [(self._folder if "@" in name else self._shipped) / name] if name else []

    def _entry(self, path: Path, *, active: bool) -> dict[str, Any]:
        where = {"path": str(path), "shipped": path.parent == self._shipped, "active": active}
        try:
            bundle = read_bundle(path)
        except BundleError as exc:
            name, _, version = path.name.partition("@")
            return {"id": name, "version": version, **where, "problem": str(exc)}
        return {
            "id": bundle.id,
            "version": bundle.version,
            **where,
            "sha256": bundle.sha256,
            "task": bundle.task,
            "labels": list(bundle.labels),
            "problem": "",
        }


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith((".", "_")))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as exc:  # a node has its shipped bundles all the same
        log.warning("%s cannot be read (%s): the bundles in it are left out", folder, exc.strerror)
        return []


def _version(path: Path) -> str:
    """Return the version of an installed bundle by its folder's name, and of a shipped one by its manifest."""
    _, _, version = path.name.partition("@")
    if version:
        return version
    try:
        return read_manifest(path)[0].version
    except BundleError:
        return ""


def _version_key(path: Path) -> list[tuple[int, str]]:
    parts = re.split(r"[.+-]", path.name.partition("@")[2])
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def _verify_copy(copy: Path, source: Path, check: Check) -> Bundle:
    """Verify a bundle that lies in `copy` for the moment, and speak of `source`."""
    try:
        return verify_bundle(copy, check=check)
    except BundleError as exc:
        remedy = "export or copy it again"  # to choose another bundle does not help who installs this one
        what = f"it is not installed: {exc.what}"
        raise BundleError(what, where=f"model bundle {source}", remedy=remedy) from exc


def _manifest(path: Path, check: Check) -> Mapping[str, Any] | None:
    """Return a good bundle's manifest, which has the sums of its files; None for a damaged one."""
    try:
        return verify_bundle(path, check=check).manifest
    except BundleError:
        return None
