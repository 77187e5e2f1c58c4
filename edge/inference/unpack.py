"""Take a bundle's files out of a folder or an archive that nobody vouches for.

A bundle is a handful of plain files in one folder. Links, devices, paths that lead elsewhere, and more files or bytes
than any bundle has are refused, whatever the archive's headers say.
"""

from __future__ import annotations

import itertools
import stat
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

from edge.errors import BundleError, InputMissing, from_os_error, reason_of
from edge.inference.bundle import MAX_BYTES, OURS
from edge.inference.manifest import MAX_FILES
from edge.inference.tars import NoTar, open_tar
from edge.inference.zips import ZIP_MARK, open_zip

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge.inference.tars import Budgeted

    File = tuple[str, Iterator[bytes]]
    Piece = tuple[str, bytes]

_CHUNK, _LONGEST_NAME = 1 << 20, 100
_UNIX_MODE_SHIFT = 16  # where a zip keeps the Unix mode in its external attributes


def unpack(source: Path, target: Path) -> None:
    """Copy the files of the bundle in `source`, a folder or a .zip or .tar file, into the new folder `target`.

    Raises `InputMissing`, `Forbidden` or `BundleError`; an `OSError` is of the target.
    """
    if not source.exists():
        msg = "there is no such file or folder"
        raise InputMissing(msg, where=source)
    target.mkdir()
    left = MAX_BYTES
    for name, chunk in _guarded(source, _pieces(source)):
        left -= len(chunk)
        if left < 0:
            raise _bad(source, f"it holds more than {MAX_BYTES >> 20} MiB")
        try:
            with (target / name).open("ab" if chunk else "xb") as out:
                out.write(chunk)
        except FileExistsError as exc:
            raise _bad(source, "it holds two files of the same name") from exc


def _bad(source: Path, what: str) -> BundleError:
    remedy = "it must be one folder with model.onnx, manifest.json, golden.npz"
    return BundleError(what, where=f"model bundle {source}", remedy=remedy)


def _guarded(source: Path, pieces: Iterator[Piece]) -> Iterator[Piece]:
    """Yield pieces; whatever goes wrong while they are read is the source's fault."""
    while True:
        try:
            piece = next(pieces)
        except StopIteration:
            return
        except (BundleError, *OURS):
            raise
        except PermissionError as exc:
            raise from_os_error(exc, source) from exc
        except Exception as exc:  # the readers of archives raise what their bytes lead to
            raise _bad(source, f"the archive is damaged or encrypted ({reason_of(exc)[:200]})") from exc
        yield piece


def _pieces(source: Path) -> Iterator[Piece]:
    """Yield every file in pieces, the first of which is empty."""
    if source.is_dir():
        files = _of_folder(source)
    elif _begins(source).startswith(ZIP_MARK):  # not zipfile.is_zipfile: a tar with golden.npz at its end has that, too
        files = _of_zip(source)
    else:
        files = _of_tar(source)
    for count, (name, chunks) in enumerate(files, 1):
        if count > MAX_FILES:
            raise _bad(source, f"it holds more than {MAX_FILES} files")
        yield name, b""
        yield from ((name, chunk) for chunk in chunks)


def _begins(source: Path) -> bytes:
    with source.open("rb") as file:
        return file.read(len(ZIP_MARK))


def _chunks(file: IO[bytes], budget: Budgeted | None = None) -> Iterator[bytes]:
    with file:
        while True:
            if budget is not None:
                budget.allow(_CHUNK)
            if not (chunk := file.read(_CHUNK)):
                return
            yield chunk


def _of_folder(source: Path) -> Iterator[File]:
    for path in sorted(itertools.islice(source.iterdir(), MAX_FILES + 1)):
        if path.is_symlink() or not path.is_file():
            raise _bad(source, f"{_shown(path.name)} is not a plain file")
        yield path.name, _chunks(path.open("rb"))


def _of_zip(source: Path) -> Iterator[File]:
    with source.open("rb") as file, open_zip(file, 2 * MAX_FILES) as archive:
        for entry in archive.infolist():
            mode = entry.external_attr >> _UNIX_MODE_SHIFT
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _bad(source, f"{_shown(entry.filename)} is not a plain file")
            if not entry.is_dir():
                yield _name(source, entry.filename), _chunks(archive.open(entry))


def _of_tar(source: Path) -> Iterator[File]:
    try:
        with open_tar(source) as (archive, budget):
            for count in itertools.count():
                budget.allow(0)
                if (entry := archive.next()) is None:
                    return
                if count > 2 * MAX_FILES:
                    raise _bad(source, f"it holds more than {MAX_FILES} files")
                if entry.isdir():
                    continue
                file = archive.extractfile(entry) if entry.isreg() and not entry.issparse() else None
                if file is None:
                    raise _bad(source, f"{_shown(entry.name)} is not a plain file")
                yield _name(source, entry.name), _chunks(file, budget)
    except NoTar as exc:
        raise _bad(source, "it is neither a folder nor a .zip, .tar, .tar.gz or .tar.bz2 file") from exc


def _name(source: Path, path: str) -> str:
    """Return a file's name without the one folder that it may lie in."""
    parts = [part for part in PurePosixPath(path.replace("\\", "/")).parts if part != "."]
    fits = 1 <= len(parts) <= 2 and ".." not in parts and parts[0] != "/"  # noqa: PLR2004 - folder and file
    if not fits or not path.isprintable() or len(parts[-1].encode()) > _LONGEST_NAME:
        raise _bad(source, f"{_shown(path)} does not lie in the one folder")
    return parts[-1]


def _shown(path: str) -> str:
    """Return a path in quotes; it may hold anything, and any amount of it."""
    return repr(path[:_LONGEST_NAME])
