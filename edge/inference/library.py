"""The model bundles on this device: those that were shipped and those that were installed, and which one is used.

Installed bundles lie in ``models/<id>@<version>`` of the state folder. ``models/active.json`` names the one in use
(`active`; none is the shipped one), the one before it (`previous`) or the one that was gone back from (`undone`).
A bundle is checked, golden recording and all, before it is taken in and before it is activated.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from edge.errors import BundleError, Forbidden, InputMissing, StorageError
from edge.inference.bundle import EVENTS, read_bundle, require_task
from edge.inference.unpack import unpack
from edge.jsontext import dumps

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from edge.inference.bundle import Bundle

SHIPPED = Path(__file__).parents[1] / "models"
DEFAULT_ID = "city"
CLAPS_ID = "claps"
"""The shipped clap network, which tells no events."""
_POINTERS = ("active", "previous", "undone")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ADVICE = "; export it again"  # to choose another bundle is no help to who installs this one


class Installed(NamedTuple):
    """What became of a bundle that was to be installed."""

    path: Path
    how: Literal["new", "mended", "kept"]


class Library:
    """The bundles below a state folder, and the shipped ones."""

    def __init__(self, state_dir: Path, shipped: Path = SHIPPED) -> None:
        """Take the folders; nothing is read or made yet."""
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
        for path in self.paths():
            if name in _names(path):
                return path
        known = ", ".join(_names(path)[-1] for path in self.paths()) or "none"
        msg = f"no model bundle {name!r} on this device; there is {known}"
        raise InputMissing(msg)

    def resolve(self, wanted: str) -> list[Path]:
        """Return the folders to try, best first, so that a bad bundle is replaced by the previous good one.

        `wanted` is ``model.bundle``: a path or an id. The default id leaves the choice to what was activated, else it
        is the shipped bundle: one that was only installed, or gone back from, comes after that. A wanted bundle that
        is not there is returned all the same, so that its absence is said.
        """
        active, previous, undone = (self._pointed(key) for key in _POINTERS)
        shipped = [path for path in _folders(self._shipped) if path.name != CLAPS_ID]
        named = [Path(wanted)] if "/" in wanted else [path for path in self.paths() if wanted in _names(path)]
        if wanted == DEFAULT_ID:
            chosen = [*active, *previous] if active else []
            order = [*chosen, *(path for path in named if path in shipped), *shipped, *previous, *undone, *named]
        else:
            order = [*(named[:1] or [self._folder / wanted]), *active, *previous, *shipped, *undone]
        return list(dict.fromkeys(order)) or [self._folder / wanted]

    def clap_networks(self, wanted: str) -> list[Path]:
        """Return the folders to try for ``claps.bundle = wanted``, best first; the shipped one is the last resort."""
        named = [Path(wanted)] if "/" in wanted else [path for path in self.paths() if wanted in _names(path)]
        return list(dict.fromkeys([*(named[:1] or [self._folder / wanted]), self._shipped / CLAPS_ID]))

    def install(self, source: Path) -> Installed:
        """Take in a bundle from a folder or a .zip or .tar file.

        Nothing changes unless the whole of it is in order. One of the same name stays when it is the same, is replaced
        when it is damaged, and keeps its name from another one otherwise. Raises `BundleError` for a bad one,
        `InputMissing`, `StorageError` or `Forbidden`.
        """
        with _translated(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self._folder, prefix=".install-") as temporary:
                fresh = Path(temporary) / "bundle"
                unpack(source, fresh)
                bundle = _verify_copy(fresh, source)
                for part in (bundle.id, bundle.version):
                    if not _NAME.fullmatch(part):
                        msg = f"model bundle {source}: {part!r} cannot name a folder; export it with another"
                        raise BundleError(msg)
                target = self._folder / f"{bundle.id}@{bundle.version}"
                if not target.exists():
                    fresh.rename(target)
                    return Installed(target, "new")
                there = _manifest(target)
                if there is None:
                    target.rename(Path(temporary) / "damaged")
                    fresh.rename(target)
                    return Installed(target, "mended")
                if there != bundle.manifest:
                    msg = f"another bundle {target.name} is installed already; give the new one another version"
                    raise BundleError(msg)
                return Installed(target, "kept")

    def activate(self, name: str) -> Path:
        """Make a bundle the one in use from the next start; the one before is kept as previous.

        Raises `InputMissing` when it is not there and `BundleError` when it does not pass its checks, or is no bundle
        for events.
        """
        path = self.find(name)
        require_task(verify_bundle(path), EVENTS)
        chosen = str(path.relative_to(self._folder)) if path.parent == self._folder else None
        active = self._pointer().get("active")
        if chosen != active:
            self._point(active=chosen, previous=active)
        return path

    def rollback(self) -> Path:
        """Go back to the bundle that was in use before, or to the shipped one; return its folder."""
        pointer = self._pointer()
        if not pointer:
            msg = "there is no bundle to go back to: the shipped one is in use and no other was activated"
            raise InputMissing(msg)
        if undone := pointer.get("undone"):
            self._point(active=undone, previous=pointer.get("active"))
        else:
            self._point(active=pointer.get("previous"), undone=pointer.get("active"))
        return self.resolve(DEFAULT_ID)[0]

    def _pointer(self) -> dict[str, str]:
        try:
            values = json.loads((self._folder / "active.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}  # as on a new device; a damaged pointer must not stop a node that has a shipped bundle
        values = values if isinstance(values, dict) else {}
        return {key: name for key in _POINTERS if isinstance(name := values.get(key), str) and _plain(name)}

    def _pointed(self, key: str) -> list[Path]:
        name = self._pointer().get(key)
        return [self._folder / name] if name else []

    def _point(self, **names: str | None) -> None:
        with _translated(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            fresh = self._folder / ".active.json"
            with fresh.open("w", encoding="utf-8") as file:
                file.write(dumps(names))
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._folder / "active.json")

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


def verify_bundle(path: Path) -> Bundle:
    """Return a bundle that is whole and still computes its golden recording; raises `BundleError` otherwise."""
    from edge.inference.onnx import OnnxClassifier  # noqa: PLC0415 - half a second that only a check needs

    return OnnxClassifier(read_bundle(path), provider="cpu").bundle


def _folders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith((".", "_")))


def _names(path: Path) -> tuple[str, ...]:
    return tuple(dict.fromkeys((path.name.partition("@")[0], path.name)))


def _version_key(path: Path) -> list[tuple[int, str]]:
    parts = re.split(r"[.+-]", path.name.partition("@")[2])
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def _plain(name: str) -> bool:
    return all(_NAME.fullmatch(part) for part in name.split("@"))


def _verify_copy(copy: Path, source: Path) -> Bundle:
    """Verify a bundle that lies in `copy` for the moment, and speak of `source`."""
    try:
        return verify_bundle(copy)
    except BundleError as exc:
        what = str(exc).replace(str(copy), str(source)).partition(_ADVICE)[0]
        msg = f"{what}; it is not installed; export or copy it again"
        raise BundleError(msg) from exc


def _manifest(path: Path) -> Mapping[str, Any] | None:
    """Return a good bundle's manifest, which has the sums of its files; None for a damaged one."""
    try:
        return verify_bundle(path).manifest
    except BundleError:
        return None


@contextlib.contextmanager
def _translated(folder: Path) -> Iterator[None]:
    try:
        yield
    except PermissionError as exc:
        msg = f"not allowed to write in {folder}; run the command as the user of the service (sudo -u tocsin …)"
        raise Forbidden(msg) from exc
    except OSError as exc:
        msg = f"cannot write in {folder}: {exc.strerror}"
        raise StorageError(msg) from exc
