"""Hostile bundles and archives: refused in one line, quickly and with bounded memory."""

from __future__ import annotations

import gzip
import io
import json
import math
import os
import tarfile
import tracemalloc
import zipfile
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest

from edge.errors import BundleError
from edge.inference.library import Library
from edge.inference.load import load_classifier
from edge.pipeline.build import check_bundle
from tests.support.bundles import LABELS, PARAMS, change_manifest, rewrite_manifest, write_bundle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MEMORY = 24 << 20
DEEP = 200_000


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "bad", bundle_id="bad")


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """Return a library with a shipped bundle."""
    write_bundle(tmp_path / "shipped" / "city", bundle_id="city", version="0.1")
    return Library(tmp_path / "state", tmp_path / "shipped", check=check_bundle)


@pytest.fixture
def frugal() -> Iterator[None]:
    """Fail if more memory was used than a small board can spare."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < MEMORY
    finally:
        tracemalloc.stop()


def write_manifest(path: Path, text: str) -> None:
    (path / "manifest.json").write_text(text, encoding="utf-8")


def change_front_end(**values: Any) -> Callable[[Path], None]:
    return lambda path: change_manifest(path, frontend={**PARAMS.to_dict(), **values})


def change_siren(**values: Any) -> Callable[[Path], None]:
    return lambda path: change_manifest(path, thresholds={"siren": values})


def change_checksum(name: str, value: Any) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        sums = json.loads((path / "manifest.json").read_text())["sha256"]
        change_manifest(path, sha256={**sums, name: value})

    return change


def replace_file(name: str, data: bytes) -> Callable[[Path], None]:
    """Return a function that replaces a file and updates its checksum."""

    def change(path: Path) -> None:
        (path / name).write_bytes(data)
        rewrite_manifest(path, json.loads((path / "manifest.json").read_text()))

    return change


def make_npz(**members: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return out.getvalue()


def make_npy(shape: str, data: bytes = b"", kind: str = "<f4") -> bytes:
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data


def make_damaged_npz() -> bytes:
    data = bytearray(make_npz(waveform=make_npy("(9,)", bytes(36)), mel=b"", logits=b""))
    data[50:60] = b"\xff" * 10
    return bytes(data)


def make_manifest_a_folder(path: Path) -> None:
    (path / "manifest.json").unlink()
    (path / "manifest.json").mkdir()


def make_manifest_a_pipe(path: Path) -> None:
    (path / "manifest.json").unlink()
    os.mkfifo(path / "manifest.json")


HARM: dict[str, Callable[[Path], Any]] = {
    "on above one": change_siren(on=5, off=7),
    "off above on": change_siren(on=0.3, off=0.5),
    "off above the built-in on": change_siren(off=0.9),
    "threshold of 400 digits": change_siren(on=10**400),
    "threshold no number": change_siren(on=math.nan),
    "threshold true": change_siren(on=True),
    "window without end": change_front_end(window_frames=10**12),
    "window of a day": change_front_end(window_frames=10**7),
    "window of minutes": change_front_end(window_frames=16_000),
    "offset a word": change_front_end(offset="x"),
    "scale of 400 digits": change_front_end(scale=10**400),
    "floor below every number": change_front_end(log_floor=1e-320),
    "rate true": change_front_end(sample_rate_hz=True),
    "a step a sample": change_front_end(hop_samples=1),
    "front end a list": lambda path: change_manifest(path, frontend=[]),
    "labels are tables": lambda path: change_manifest(path, labels=[{}]),
    "a label with a line break": lambda path: change_manifest(path, labels=["a\nb", "gunshot", "siren"]),
    "labels that share a topic": lambda path: change_manifest(path, labels=["Siren ", "gunshot", "siren"]),
    "labels that share their letters": lambda path: change_manifest(path, labels=["gunshot 犬", "gunshot", "siren"]),
    "labels without end": lambda path: change_manifest(path, labels=[str(i) for i in range(5000)]),
    "calibration without end": lambda path: change_manifest(
        path, calibration={"scale": [math.inf] * len(LABELS), "bias": [0.0] * len(LABELS)}
    ),
    "tolerance without end": lambda path: change_manifest(path, golden_tolerance={"mel": math.inf, "logits": math.inf}),
    "tolerance of all": lambda path: change_manifest(path, golden_tolerance={"logits": 1e9}),
    "task a list": lambda path: change_manifest(path, task=[]),
    "task unknown": lambda path: change_manifest(path, task="everything"),
    "figures a word": lambda path: change_manifest(path, measured="good"),
    "state of a terabyte": lambda path: change_manifest(path, network="streaming", state_size=10**12),
    "nested deeply": lambda path: write_manifest(path, "[" * DEEP),
    "nested deeply within": lambda path: write_manifest(path, '{"format": 1, "measured": ' + "[" * DEEP),
    "manifest without end": lambda path: write_manifest(path, " " * (2 << 20)),
    "manifest a folder": make_manifest_a_folder,
    "manifest a pipe": make_manifest_a_pipe,
    "name with a zero": change_checksum("a\0b", "0" * 64),
    "sum a list": change_checksum("model.onnx", []),
    "golden rubbish": replace_file("golden.npz", b"PK" + bytes(300)),
    "golden empty": replace_file("golden.npz", b""),
    "golden a picture": replace_file("golden.npz", b"\x89PNG" + bytes(300)),
    "golden damaged": replace_file("golden.npz", make_damaged_npz()),
    "golden of 8 TB": replace_file("golden.npz", make_npz(waveform=make_npy("(2000000000000,)"), mel=b"", logits=b"")),
    "golden negative": replace_file("golden.npz", make_npz(waveform=make_npy("(-1,)", bytes(8)), mel=b"", logits=b"")),
    "golden of objects": replace_file(
        "golden.npz", make_npz(waveform=make_npy("(1,)", b"x" * 9, "|O"), mel=b"", logits=b"")
    ),
    "golden cut off": replace_file("golden.npz", make_npz(waveform=make_npy("(9,)", bytes(8)), mel=b"", logits=b"")),
    "golden not finite": replace_file(
        "golden.npz",
        make_npz(waveform=make_npy("(2,)", np.array([1e30, np.nan], np.float32).tobytes()), mel=b"", logits=b""),
    ),
    "network empty": replace_file("model.onnx", b""),
    "network rubbish": replace_file("model.onnx", bytes(range(256)) * 9),
}


@pytest.mark.parametrize("harm", HARM.values(), ids=HARM.keys())
def test_a_harmful_bundle_is_refused_and_replaced(
    harm: Callable[[Path], Any], bundle: Path, library: Library, frugal: None
) -> None:
    """It is neither installed nor run; the shipped bundle is used instead."""
    harm(bundle)
    with pytest.raises(BundleError) as caught:
        library.install(bundle)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 700
    assert load_classifier([bundle, *library.resolve("city")], check=check_bundle).bundle.id == "city"


def test_figures_that_could_not_be_measured_do_not_matter(bundle: Path, library: Library) -> None:
    """Figures that an exporter wrote as NaN become None, so that the manifest is valid JSON."""
    change_manifest(bundle, measured={"siren": {"ap": math.nan, "more": [math.inf, 1.0]}})
    target = library.install(bundle).path
    manifest = load_classifier([target], check=check_bundle).bundle.manifest
    assert manifest["measured"] == {"siren": {"ap": None, "more": [None, 1.0]}}
    assert library.install(bundle).how == "kept"


@pytest.mark.parametrize(
    "text", ["[" * DEEP, '{"active": ' + "[" * 5000, '{"active": "a@b@c"}', "\0", '{"active": NaN}']
)
def test_a_harmful_choice_means_the_shipped_bundle(text: str, library: Library, tmp_path: Path) -> None:
    """Any damaged active.json selects the shipped bundle."""
    (tmp_path / "state" / "models").mkdir(parents=True)
    (tmp_path / "state" / "models" / "active.json").write_text(text)
    assert library.resolve("city") == [library.find("city")]


def make_header(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf(tarfile.GNU_FORMAT)


def write_gzip(path: Path, *parts: bytes) -> Path:
    with gzip.open(path, "wb", 1) as out:
        for part in parts:
            out.write(part)
    return path


def zip_many_folders(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for i in range(2_000):
            archive.writestr(f"{i}/", b"")
    return path


ZEROS = bytes(1 << 20)
TRAPS: dict[str, Callable[[Path], Path]] = {
    "long name": lambda path: write_gzip(
        path, make_header("././@LongLink", 64 << 20, tarfile.GNUTYPE_LONGNAME), *[ZEROS] * 64
    ),
    "long attributes": lambda path: write_gzip(path, make_header("a", 64 << 20, tarfile.XHDTYPE), *[ZEROS] * 64),
    "long names for all": lambda path: write_gzip(path, make_header("a", 64 << 20, tarfile.XGLTYPE), *[ZEROS] * 64),
    "attributes upon attributes": lambda path: write_gzip(
        path, *[make_header("a", 512, tarfile.XHDTYPE) + bytes(512)] * 20_000
    ),
    "folders": lambda path: write_gzip(path, *[make_header("a/", kind=tarfile.DIRTYPE)] * 100_000),
    "a sparse file": lambda path: write_gzip(path, make_header("model.onnx", 1 << 40, tarfile.GNUTYPE_SPARSE)),
    "a file of a terabyte": lambda path: write_gzip(path, make_header("model.onnx", (8 << 30) - 1)),
    "folders in a zip": zip_many_folders,
}


@pytest.mark.parametrize("trap", TRAPS.values(), ids=TRAPS.keys())
def test_archives_cannot_fill_the_memory(
    trap: Callable[[Path], Path], library: Library, tmp_path: Path, frugal: None
) -> None:
    """Huge sizes and counts in headers are refused with bounded memory."""
    path = trap(tmp_path / "trap")
    tracemalloc.reset_peak()
    with pytest.raises(BundleError, match="trap: "):
        library.install(path)
    assert list((tmp_path / "state" / "models").iterdir()) == []


def test_a_zip_that_cannot_be_unpacked_in_pieces_is_refused(library: Library, bundle: Path, tmp_path: Path) -> None:
    """Methods without bounded memory, and xz archives, are refused."""
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with zipfile.ZipFile(tmp_path / "b.zip", "w", method) as archive:
            archive.writestr("manifest.json", bytes(1000))
        with pytest.raises(BundleError, match="neither stored nor deflated"):
            library.install(tmp_path / "b.zip")
    with tarfile.open(tmp_path / "b.tar.xz", "w:xz") as archive:
        archive.add(bundle, "bundle")
    with pytest.raises(BundleError, match=r"neither a folder nor a \.zip"):
        library.install(tmp_path / "b.tar.xz")


def test_archives_of_every_other_kind_are_taken(library: Library, bundle: Path, tmp_path: Path) -> None:
    """Plain, gzip and bzip2 archives with folder entries and long names are accepted."""
    kinds: tuple[tuple[Literal["w", "w:gz", "w:bz2"], int], ...] = (
        ("w", tarfile.GNU_FORMAT),
        ("w:gz", tarfile.PAX_FORMAT),
        ("w:bz2", tarfile.USTAR_FORMAT),
    )
    for mode, format_ in kinds:
        with tarfile.open(name=tmp_path / "b.tar", mode=mode, format=format_) as archive:
            archive.add(bundle, "bundle" if format_ == tarfile.USTAR_FORMAT else "b" * 120)
        assert library.install(tmp_path / "b.tar").path.name == "bad@1.0"
