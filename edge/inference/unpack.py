"""Unpacking of a bundle from an untrusted folder or archive.

A bundle is a few regular files in one folder. Links, devices, paths that lead elsewhere, and too many files or bytes
are refused, even if the archive's headers claim otherwise.
"""

from __future__ import annotations

import itertools
import stat
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

from edge.errors import BundleError, InputMissing, from_os_error, reason_of
from edge.inference.bundle import MAX_BYTES, PROGRAM_ERRORS
from edge.inference.manifest import MAX_FILES
from edge.inference.tars import NoTar, open_tar
from edge.inference.zips import ZIP_MARK, open_zip

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge.inference.tars import LimitedStream

    File = tuple[str, Iterator[bytes]]
    Piece = tuple[str, bytes]

_CHUNK, _LONGEST_NAME = 1 << 20, 100
_UNIX_MODE_SHIFT = 16  # where a zip keeps the Unix mode in its external attributes


def unpack(source: Path, target: Path) -> None:
    """Copy the files of a bundle into the new folder `target`.

    `source` is a folder or a .zip or .tar file. Raises `InputMissing`, `Forbidden` or `BundleError` for the source, and
    `OSError` for the target.
    """
    if not source.exists():
        msg = "there is no such file or folder"
        raise InputMissing(msg, where=source)
    target.mkdir()
    left = MAX_BYTES
    for name, chunk in _convert_errors(source, _read_pieces(source)):
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


def _convert_errors(source: Path, pieces: Iterator[Piece]) -> Iterator[Piece]:
    """Yield pieces; turn errors while reading the source into its `BundleError`."""
    while True:
        try:
            piece = next(pieces)
        except StopIteration:
            return
        except (BundleError, *PROGRAM_ERRORS):
            raise
        except PermissionError as exc:
            raise from_os_error(exc, source) from exc
        except Exception as exc:  # the readers of archives raise what their bytes lead to
            raise _bad(source, f"the archive is damaged or encrypted ({reason_of(exc)[:200]})") from exc
        yield piece


def _read_pieces(source: Path) -> Iterator[Piece]:
    """Yield every file in pieces; the first piece of a file is empty."""
    if source.is_dir():
        files = _read_folder(source)
    elif _read_mark(source) == ZIP_MARK:  # not zipfile.is_zipfile, which also accepts a tar that ends with golden.npz
        files = _read_zip(source)
    else:
        files = _read_tar(source)
    for count, (name, chunks) in enumerate(files, 1):
        if count > MAX_FILES:
            raise _bad(source, f"it holds more than {MAX_FILES} files")
        yield name, b""
        yield from ((name, chunk) for chunk in chunks)


def _read_mark(source: Path) -> bytes:
    with source.open("rb") as file:
        return file.read(len(ZIP_MARK))


def _read_chunks(file: IO[bytes], budget: LimitedStream | None = None) -> Iterator[bytes]:
    with file:
        while True:
            if budget is not None:
                budget.allow(_CHUNK)
            if not (chunk := file.read(_CHUNK)):
                return
            yield chunk


def _read_folder(source: Path) -> Iterator[File]:
    for path in sorted(itertools.islice(source.iterdir(), MAX_FILES + 1)):
        if path.is_symlink() or not path.is_file():
            raise _bad(source, f"{_shown(path.name)} is not a plain file")
        yield path.name, _read_chunks(path.open("rb"))


def _read_zip(source: Path) -> Iterator[File]:
    with source.open("rb") as file, open_zip(file, 2 * MAX_FILES) as archive:
        for entry in archive.infolist():
            mode = entry.external_attr >> _UNIX_MODE_SHIFT
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _bad(source, f"{_shown(entry.filename)} is not a plain file")
            if not entry.is_dir():
                yield _check_name(source, entry.filename), _read_chunks(archive.open(entry))


def _read_tar(source: Path) -> Iterator[File]:
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
                yield _check_name(source, entry.name), _read_chunks(file, budget)
    except NoTar as exc:
        raise _bad(source, "it is neither a folder nor a .zip, .tar, .tar.gz or .tar.bz2 file") from exc


def _check_name(source: Path, path: str) -> str:
    """Return a file's name without its folder, of which one is allowed."""
    parts = [part for part in PurePosixPath(path.replace("\\", "/")).parts if part != "."]
    fits = 1 <= len(parts) <= 2 and ".." not in parts and parts[0] != "/"  # noqa: PLR2004 - folder and file
    if not fits or not path.isprintable() or len(parts[-1].encode()) > _LONGEST_NAME:
        raise _bad(source, f"{_shown(path)} does not lie in the one folder")
    return parts[-1]


def _shown(path: str) -> str:
    """Return a path shortened and quoted; it may contain anything."""
    return repr(path[:_LONGEST_NAME])
