"""Take a bundle's files out of a folder or an archive that nobody vouches for.

A bundle is a handful of plain files in one folder. Links, devices, paths that lead elsewhere, and more files or bytes
than any bundle has are refused, whatever the archive's headers say.
"""

from __future__ import annotations

import stat
import tarfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

from edge.errors import BundleError, Forbidden, InputMissing

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_FILES, MAX_BYTES = 64, 512 << 20
_CHUNK = 1 << 20
_UNIX_MODE_SHIFT = 16  # where a zip keeps the Unix mode in its external attributes


def unpack(source: Path, target: Path) -> None:
    """Copy the files of the bundle in `source`, a folder or a .zip or .tar file, into the new folder `target`.

    Raises `InputMissing`, `Forbidden` or `BundleError`.
    """
    if not source.exists():
        msg = f"{source}: there is no such file or folder"
        raise InputMissing(msg)
    target.mkdir()
    left = MAX_BYTES
    try:
        for count, (name, file) in enumerate(_files(source), 1):
            if count > MAX_FILES:
                raise _bad(source, f"more than {MAX_FILES} files")
            with file, (target / name).open("xb") as out:
                while chunk := file.read(_CHUNK):
                    left -= len(chunk)
                    if left < 0:
                        raise _bad(source, f"more than {MAX_BYTES >> 20} MiB")
                    out.write(chunk)
    except FileExistsError as exc:
        raise _bad(source, "two files of the same name") from exc
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, RuntimeError) as exc:
        raise _bad(source, f"a damaged or encrypted archive ({exc})") from exc


def _bad(source: Path, what: str) -> BundleError:
    return BundleError(
        f"model bundle {source}: {what}; it must be one folder with model.onnx, manifest.json, golden.npz"
    )


def _files(source: Path) -> Iterator[tuple[str, IO[bytes]]]:
    if source.is_dir():
        yield from _of_folder(source)
        return
    try:
        is_zip, is_tar = zipfile.is_zipfile(source), tarfile.is_tarfile(source)
    except PermissionError as exc:
        msg = f"{source}: not allowed to read it"
        raise Forbidden(msg) from exc
    if is_zip:
        yield from _of_zip(source)
    elif is_tar:
        yield from _of_tar(source)
    else:
        raise _bad(source, "neither a folder nor a .zip or .tar file")


def _of_folder(source: Path) -> Iterator[tuple[str, IO[bytes]]]:
    for path in sorted(source.iterdir()):
        if path.is_symlink() or not path.is_file():
            raise _bad(source, f"{path.name} is not a plain file")
        yield path.name, path.open("rb")


def _of_zip(source: Path) -> Iterator[tuple[str, IO[bytes]]]:
    with zipfile.ZipFile(source) as archive:
        for entry in archive.infolist():
            mode = entry.external_attr >> _UNIX_MODE_SHIFT
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _bad(source, f"{entry.filename} is not a plain file")
            if not entry.is_dir():
                yield _name(source, entry.filename), archive.open(entry)


def _of_tar(source: Path) -> Iterator[tuple[str, IO[bytes]]]:
    with tarfile.open(source) as archive:
        for entry in archive:
            if entry.isdir():
                continue
            file = archive.extractfile(entry) if entry.isreg() else None
            if file is None:
                raise _bad(source, f"{entry.name} is not a plain file")
            yield _name(source, entry.name), file


def _name(source: Path, path: str) -> str:
    """Return a file's name without the one folder that it may lie in."""
    parts = [part for part in PurePosixPath(path.replace("\\", "/")).parts if part != "."]
    if not 1 <= len(parts) <= 2 or ".." in parts or parts[0] == "/":  # noqa: PLR2004 - folder and file
        raise _bad(source, f"{path!r} is not a file of one folder")
    return parts[-1]
