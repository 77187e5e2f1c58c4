"""Bundles and archives made to do harm: each is refused in a line, soon, and without much memory; the node goes on."""

from __future__ import annotations

import gzip
import io
import json
import math
import os
import tarfile
import tracemalloc
import zipfile
from typing import TYPE_CHECKING, Any

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
    """Fail when more memory was held at once than a small board can spare."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < MEMORY
    finally:
        tracemalloc.stop()


def written(path: Path, text: str) -> None:
    (path / "manifest.json").write_text(text, encoding="utf-8")


def front_end(**values: Any) -> Callable[[Path], None]:
    return lambda path: change_manifest(path, frontend={**PARAMS.to_dict(), **values})


def siren(**values: Any) -> Callable[[Path], None]:
    return lambda path: change_manifest(path, thresholds={"siren": values})


def summed(name: str, value: Any) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        sums = json.loads((path / "manifest.json").read_text())["sha256"]
        change_manifest(path, sha256={**sums, name: value})

    return change


def signed(name: str, data: bytes) -> Callable[[Path], None]:
    """Return a change of a file whose sum is right."""

    def change(path: Path) -> None:
        (path / name).write_bytes(data)
        rewrite_manifest(path, json.loads((path / "manifest.json").read_text()))

    return change


def npz(**members: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return out.getvalue()


def npy(shape: str, data: bytes = b"", kind: str = "<f4") -> bytes:
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data


def damaged_deflate() -> bytes:
    data = bytearray(npz(waveform=npy("(9,)", bytes(36)), mel=b"", logits=b""))
    data[50:60] = b"\xff" * 10
    return bytes(data)


HARM: dict[str, Callable[[Path], Any]] = {
    "on above one": siren(on=5, off=7),
    "off above on": siren(on=0.3, off=0.5),
    "off above the built-in on": siren(off=0.9),
    "threshold of 400 digits": siren(on=10**400),
    "threshold no number": siren(on=math.nan),
    "threshold true": siren(on=True),
    "window without end": front_end(window_frames=10**12),
    "window of a day": front_end(window_frames=10**7),
    "window of minutes": front_end(window_frames=16_000),
    "offset a word": front_end(offset="x"),
    "scale of 400 digits": front_end(scale=10**400),
    "floor below every number": front_end(log_floor=1e-320),
    "rate true": front_end(sample_rate_hz=True),
    "a step a sample": front_end(hop_samples=1),
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
    "nested deeply": lambda path: written(path, "[" * DEEP),
    "nested deeply within": lambda path: written(path, '{"format": 1, "measured": ' + "[" * DEEP),
    "manifest without end": lambda path: written(path, " " * (2 << 20)),
    "manifest a folder": lambda path: ((path / "manifest.json").unlink(), (path / "manifest.json").mkdir()),
    "manifest a pipe": lambda path: ((path / "manifest.json").unlink(), os.mkfifo(path / "manifest.json")),
    "name with a zero": summed("a\0b", "0" * 64),
    "sum a list": summed("model.onnx", []),
    "golden rubbish": signed("golden.npz", b"PK" + bytes(300)),
    "golden empty": signed("golden.npz", b""),
    "golden a picture": signed("golden.npz", b"\x89PNG" + bytes(300)),
    "golden damaged": signed("golden.npz", damaged_deflate()),
    "golden of 8 TB": signed("golden.npz", npz(waveform=npy("(2000000000000,)"), mel=b"", logits=b"")),
    "golden negative": signed("golden.npz", npz(waveform=npy("(-1,)", bytes(8)), mel=b"", logits=b"")),
    "golden of objects": signed("golden.npz", npz(waveform=npy("(1,)", b"x" * 9, "|O"), mel=b"", logits=b"")),
    "golden cut off": signed("golden.npz", npz(waveform=npy("(9,)", bytes(8)), mel=b"", logits=b"")),
    "golden not finite": signed(
        "golden.npz", npz(waveform=npy("(2,)", np.array([1e30, np.nan], np.float32).tobytes()), mel=b"", logits=b"")
    ),
    "network empty": signed("model.onnx", b""),
    "network rubbish": signed("model.onnx", bytes(range(256)) * 9),
}


@pytest.mark.parametrize("harm", HARM.values(), ids=HARM.keys())
def test_a_harmful_bundle_is_refused_and_replaced(
    harm: Callable[[Path], Any], bundle: Path, library: Library, frugal: None
) -> None:
    """It is neither installed nor run, whoever put it there, and the shipped one runs in its place."""
    harm(bundle)
    with pytest.raises(BundleError) as caught:
        library.install(bundle)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 700
    assert load_classifier([bundle, *library.resolve("city")], check=check_bundle).bundle.id == "city"


def test_figures_that_could_not_be_measured_do_not_matter(bundle: Path, library: Library) -> None:
    """An exporter may have written NaN; whoever reads the manifest from here on gets valid JSON."""
    change_manifest(bundle, measured={"siren": {"ap": math.nan, "more": [math.inf, 1.0]}})
    target = library.install(bundle).path
    manifest = load_classifier([target], check=check_bundle).bundle.manifest
    assert manifest["measured"] == {"siren": {"ap": None, "more": [None, 1.0]}}
    assert library.install(bundle).how == "kept"


@pytest.mark.parametrize(
    "text", ["[" * DEEP, '{"active": ' + "[" * 5000, '{"active": "a@b@c"}', "\0", '{"active": NaN}']
)
def test_a_harmful_choice_means_the_shipped_bundle(text: str, library: Library, tmp_path: Path) -> None:
    """Whatever stands in active.json."""
    (tmp_path / "state" / "models").mkdir(parents=True)
    (tmp_path / "state" / "models" / "active.json").write_text(text)
    assert library.resolve("city") == [library.find("city")]


def member(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf(tarfile.GNU_FORMAT)


def packed(path: Path, *parts: bytes) -> Path:
    with gzip.open(path, "wb", 1) as out:
        for part in parts:
            out.write(part)
    return path


def many_zipped(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for i in range(2_000):
            archive.writestr(f"{i}/", b"")
    return path


ZEROS = bytes(1 << 20)
TRAPS: dict[str, Callable[[Path], Path]] = {
    "long name": lambda path: packed(path, member("././@LongLink", 64 << 20, tarfile.GNUTYPE_LONGNAME), *[ZEROS] * 64),
    "long attributes": lambda path: packed(path, member("a", 64 << 20, tarfile.XHDTYPE), *[ZEROS] * 64),
    "long names for all": lambda path: packed(path, member("a", 64 << 20, tarfile.XGLTYPE), *[ZEROS] * 64),
    "attributes upon attributes": lambda path: packed(path, *[member("a", 512, tarfile.XHDTYPE) + bytes(512)] * 20_000),
    "folders": lambda path: packed(path, *[member("a/", kind=tarfile.DIRTYPE)] * 100_000),
    "a sparse file": lambda path: packed(path, member("model.onnx", 1 << 40, tarfile.GNUTYPE_SPARSE)),
    "a file of a terabyte": lambda path: packed(path, member("model.onnx", (8 << 30) - 1)),
    "folders in a zip": many_zipped,
}


@pytest.mark.parametrize("trap", TRAPS.values(), ids=TRAPS.keys())
def test_archives_cannot_fill_the_memory(
    trap: Callable[[Path], Path], library: Library, tmp_path: Path, frugal: None
) -> None:
    """However large its headers say that things are, or however many."""
    path = trap(tmp_path / "trap")
    tracemalloc.reset_peak()
    with pytest.raises(BundleError, match="trap: "):
        library.install(path)
    assert list((tmp_path / "state" / "models").iterdir()) == []


def test_a_zip_that_cannot_be_unpacked_in_pieces_is_refused(library: Library, bundle: Path, tmp_path: Path) -> None:
    """The methods that give all of their bytes at once, and an xz archive, which may want any amount of memory."""
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
    """Plain, gzip and bzip2, with the folder's own entry and long names as tar writes them."""
    for how, format_ in (("w", tarfile.GNU_FORMAT), ("w:gz", tarfile.PAX_FORMAT), ("w:bz2", tarfile.USTAR_FORMAT)):
        with tarfile.open(tmp_path / "b.tar", how, format=format_) as archive:
            archive.add(bundle, "bundle" if format_ == tarfile.USTAR_FORMAT else "b" * 120)
        assert library.install(tmp_path / "b.tar").path.name == "bad@1.0"
