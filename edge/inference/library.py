"""The shipped and installed model bundles on this device, and the choice among them.

Installed bundles are in ``models/<id>@<version>`` of the state folder. A bundle is checked, including its golden
recording, before it is installed and before it is activated.
"""

from __future__ import annotations

import logging
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from edge.errors import BundleError, InputMissing
from edge.inference.bundle import EVENTS, read_bundle, read_manifest
from edge.inference.choice import CHOICES, convert_write_errors, give_to_owner, read_choice, write_choice
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
"""Id of the shipped clap network, which detects no events."""


class Installation(NamedTuple):
    """The result of an installation."""

    path: Path
    how: Literal["new", "replaced", "kept"]


class Rollback(NamedTuple):
    """The result of a rollback."""

    path: Path
    changed: bool
    """False if an earlier rollback had already activated it."""


class Library:
    """The bundles in a state folder and the shipped ones."""

    def __init__(self, state_dir: Path, shipped: Path = SHIPPED, *, check: Check = accept) -> None:
        """Store the folders without reading them.

        `check` is applied to every bundle that is installed or activated.
        """
        self._check = check
        self._folder = state_dir / "models"
        self._shipped = shipped

    def list_paths(self) -> list[Path]:
        """Return the folders of all bundles: installed ones, newest first, then shipped ones."""
        installed = [path for path in _list_folders(self._folder) if "@" in path.name]
        ordered = sorted(installed, key=lambda path: (path.name.partition("@")[0], _parse_version(path)), reverse=True)
        return ordered + _list_folders(self._shipped)

    def describe_bundles(self, wanted: str = DEFAULT_ID) -> list[dict[str, Any]]:
        """Describe every bundle as JSON values.

        `problem` is the reason why a bundle is unusable. The bundle that ``model.bundle = wanted`` selects is `active`.
        """
        active = self.resolve(wanted)[:1]
        return [self._describe(path, active=path in active) for path in self.list_paths()]

    def find(self, name: str) -> Path:
        """Return the folder of ``ID`` (newest version), ``ID@VERSION`` or a path; raises `InputMissing`."""
        if "/" in name and Path(name).is_dir():
            return Path(name)
        if named := self._find_named(name):
            return named[0]
        known = ", ".join(path.name for path in self.list_paths()) or "none"
        msg = f"there is no model bundle {name!r} on this device"
        raise InputMissing(msg, remedy=f"there is {known}")

    def resolve(self, wanted: str) -> list[Path]:
        """Return the folders to try, best first.

        A bad bundle is thus replaced by the previous good one. `wanted` is ``model.bundle``: a path or an id. With the
        default id, the activated bundle comes first, else the shipped one; bundles that are only installed, or that a
        rollback left, come later. A missing wanted bundle is included, so that its absence is reported.
        """
        active, previous, undone = (self._find_chosen(key) for key in CHOICES)
        shipped = [path for path in _list_folders(self._shipped) if path.name != CLAPS_ID]
        named = self._find_named(wanted)
        if wanted == DEFAULT_ID:
            chosen = [*active, *previous] if active else []
            order = [*chosen, *(path for path in named if path in shipped), *shipped, *previous, *undone, *named]
        else:
            order = [*(named[:1] or [self._folder / wanted]), *active, *previous, *shipped, *undone]
        return list(dict.fromkeys(order)) or [self._folder / wanted]

    def resolve_clap_network(self, wanted: str) -> list[Path]:
        """Return the folders to try for ``claps.bundle = wanted``; the shipped one is last."""
        named = self._find_named(wanted)
        return list(dict.fromkeys([*(named[:1] or [self._folder / wanted]), self._shipped / CLAPS_ID]))

    def install(self, source: Path) -> Installation:
        """Install a bundle from a folder or a .zip or .tar file.

        Nothing changes unless all checks pass. An installed bundle of the same name and version is kept if it is the
        same, and replaced if it is damaged; otherwise `BundleError` is raised, as for a bad bundle. Also raises
        `InputMissing`, `StorageError` or `Forbidden`.
        """
        with convert_write_errors(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self._folder, prefix=".install-") as temporary:
                fresh = Path(temporary) / "bundle"
                unpack(source, fresh)
                bundle = _verify_copy(fresh, source, self._check)
                target = self._folder / f"{bundle.id}@{bundle.version}"
                give_to_owner(fresh, self._folder)
                if not target.exists():
                    fresh.rename(target)
                    return Installation(target, "new")
                there = _read_good_manifest(target, self._check)
                if there is None:
                    target.rename(Path(temporary) / "damaged")
                    fresh.rename(target)
                    return Installation(target, "replaced")
                if there != bundle.manifest:
                    msg = f"another bundle {target.name} is installed already"
                    raise BundleError(msg, remedy="give the new one another version")
                return Installation(target, "kept")

    def activate(self, name: str) -> Path:
        """Activate a bundle from the next start on; the active one becomes the previous one.

        Raises `InputMissing` if it is not installed, and `BundleError` if it fails its checks or has another task than
        events.
        """
        path = self.find(name)
        if path.resolve() not in [ours.resolve() for ours in self.list_paths()]:
            msg = "the bundle is not installed"
            raise InputMissing(msg, where=path, remedy=f"install it with 'tocsin model install {path}'")
        verify_bundle(path, EVENTS, check=self._check)
        active = read_choice(self._folder).get("active", DEFAULT_ID)
        if path.name != active:
            write_choice(self._folder, active=path.name, previous=active)
        return path

    def roll_back(self) -> Rollback:
        """Go back to the previous bundle, or to the shipped one.

        A second rollback changes nothing; activate the later bundle to use it again.
        """
        pointer = read_choice(self._folder)
        if not pointer:
            msg = "there is no earlier bundle: the shipped one is in use, and no other was activated"
            raise InputMissing(msg)
        changed = "undone" not in pointer
        if changed:
            write_choice(self._folder, active=pointer.get("previous", DEFAULT_ID), undone=pointer.get("active"))
        return Rollback(self.resolve(DEFAULT_ID)[0], changed)

    def _find_named(self, name: str) -> list[Path]:
        """Return the folders for ``ID``, ``ID@VERSION`` or a path, best first."""
        if "/" in name:
            return [Path(name)]
        bundle_id, _, version = name.partition("@")
        same_id = [path for path in self.list_paths() if path.name.partition("@")[0] == bundle_id]
        return [path for path in same_id if not version or version == _read_version(path)]

    def _find_chosen(self, key: str) -> list[Path]:
        name = read_choice(self._folder).get(key)
        return [(self._folder if "@" in name else self._shipped) / name] if name else []

    def _describe(self, path: Path, *, active: bool) -> dict[str, Any]:
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


def _list_folders(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith((".", "_")))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as exc:  # the shipped bundles remain usable
        log.warning("%s cannot be read (%s): the bundles in it are left out", folder, exc.strerror)
        return []


def _read_version(path: Path) -> str:
    """Return the version of a bundle from its folder's name, else from its manifest."""
    _, _, version = path.name.partition("@")
    if version:
        return version
    try:
        return read_manifest(path)[0].version
    except BundleError:
        return ""


def _parse_version(path: Path) -> list[tuple[int, str]]:
    parts = re.split(r"[.+-]", path.name.partition("@")[2])
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def _verify_copy(copy: Path, source: Path, check: Check) -> Bundle:
    """Verify the temporary `copy` of a bundle; errors name `source`."""
    try:
        return verify_bundle(copy, check=check)
    except BundleError as exc:
        remedy = "export or copy it again"  # to choose another bundle does not help who installs this one
        what = f"it is not installed: {exc.what}"
        raise BundleError(what, where=f"model bundle {source}", remedy=remedy) from exc


def _read_good_manifest(path: Path, check: Check) -> Mapping[str, Any] | None:
    """Return the manifest of a valid bundle, with its checksums; None for a damaged one."""
    try:
        return verify_bundle(path, check=check).manifest
    except BundleError:
        return None
