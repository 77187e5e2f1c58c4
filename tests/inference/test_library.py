"""The library of bundles: installation, choice, rollback, and malicious archives."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edge.errors import BundleError, Forbidden, InputMissing, StorageError
from edge.inference import unpack as unpacking
from edge.inference.library import Library
from edge.inference.load import load_classifier
from edge.pipeline.build import check_bundle
from tests.support.bundles import change_manifest, write_bundle

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """Return a library with one shipped bundle, `city`, and nothing installed."""
    write_bundle(tmp_path / "shipped" / "city", bundle_id="city", version="0.1")
    return Library(tmp_path / "state", tmp_path / "shipped", check=check_bundle)


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "fresh", bundle_id="harbour", version="2.0")


def as_folder(bundle: Path) -> Path:
    return bundle


def as_zip(bundle: Path) -> Path:
    return Path(shutil.make_archive(str(bundle), "zip", bundle))


def as_tar(bundle: Path) -> Path:
    return Path(shutil.make_archive(str(bundle), "gztar", bundle.parent, bundle.name))


@pytest.mark.parametrize("pack", [as_folder, as_zip, as_tar])
def test_install_takes_folders_and_archives(library: Library, fresh: Path, pack: Callable[[Path], Path]) -> None:
    """Each kind gives the same installed bundle, which is listed but not active."""
    target = library.install(pack(fresh)).path
    assert target.name == "harbour@2.0"
    assert [(e["id"], e["active"], e["problem"]) for e in library.describe_bundles()] == [
        ("harbour", False, ""),
        ("city", True, ""),
    ]
    assert library.install(fresh) == (target, "kept")


def test_a_bad_bundle_leaves_no_trace(library: Library, fresh: Path, tmp_path: Path) -> None:
    """A bundle that fails its checks leaves no files."""
    (fresh / "model.onnx").write_bytes(b"not a network")
    with pytest.raises(BundleError, match="sha256") as caught:
        library.install(fresh)
    assert str(caught.value).startswith(f"model bundle {fresh}: ")
    assert "activate" not in str(caught.value)
    assert list((tmp_path / "state" / "models").iterdir()) == []


@pytest.mark.parametrize("name", ["model.onnx", "golden.npz", "manifest.json"])
def test_a_damaged_bundle_is_replaced_by_installing_it_again(library: Library, fresh: Path, name: str) -> None:
    """The valid bundle replaces one with any damaged file."""
    target = library.install(fresh).path
    (target / name).write_bytes(b"short")
    assert library.install(fresh) == (target, "replaced")
    assert (target / name).read_bytes() == (fresh / name).read_bytes()
    assert [path.name for path in target.parent.iterdir()] == [target.name]
    assert library.install(fresh) == (target, "kept")


def test_the_same_name_for_another_network_is_refused(library: Library, fresh: Path, tmp_path: Path) -> None:
    """A version belongs to one network and its manifest."""
    library.install(fresh)
    change_manifest(fresh, thresholds={})
    with pytest.raises(BundleError, match="another version"):
        library.install(fresh)
    other = write_bundle(tmp_path / "other", bundle_id="harbour", version="2.0", labels=("background", "siren"))
    with pytest.raises(BundleError, match="another version"):
        library.install(other)


@pytest.mark.parametrize("name", ["../evil", ".hidden", "a/b", ""])
def test_an_id_cannot_lead_elsewhere(library: Library, fresh: Path, name: str) -> None:
    """An id that is a path or a hidden name is refused."""
    change_manifest(fresh, id=name)
    with pytest.raises(BundleError):
        library.install(fresh)


def test_activate_and_roll_back(library: Library, fresh: Path) -> None:
    """The activated bundle comes first, then the previous one; a second rollback changes nothing."""
    target = library.install(fresh).path
    shipped = library.find("city")
    assert library.resolve("city") == [shipped]
    assert library.activate("harbour") == target
    assert library.resolve("city") == [target, shipped]
    assert library.roll_back() == (shipped, True)
    assert library.resolve("city")[0] == shipped
    assert library.roll_back() == (shipped, False)
    assert library.resolve("city")[0] == shipped
    assert library.activate("harbour") == target
    assert library.roll_back() == (shipped, True)


def test_every_shipped_bundle_can_be_activated_and_rolled_back(library: Library, fresh: Path, tmp_path: Path) -> None:
    """A shipped bundle other than the default can be activated, and a rollback leads to the previous one."""
    city, nano = library.find("city"), write_bundle(tmp_path / "shipped" / "nano", bundle_id="nano", version="0.3")
    home = library.install(fresh).path
    for name in ("nano", "nano@0.3"):
        assert library.activate(name) == nano
        assert library.resolve("city") == [nano, city]
        assert [entry["id"] for entry in library.describe_bundles() if entry["active"]] == ["nano"]
        assert library.roll_back() == (city, True)
        assert library.resolve("city")[0] == city
    library.activate("harbour")
    library.activate("nano")
    assert library.resolve("city") == [nano, home, city]
    assert library.roll_back() == (home, True)
    assert library.activate(str(city)) == city
    assert library.resolve("city") == [city, home, nano]
    with pytest.raises(InputMissing, match=r"harbour.*nano|nano.*harbour"):
        library.find("nano@0.2")


def test_a_bundle_elsewhere_must_be_installed_before_it_is_activated(library: Library, fresh: Path) -> None:
    """Its path is not stored, so the next start would not find it."""
    with pytest.raises(InputMissing, match="the bundle is not installed; install it with 'tocsin model install"):
        library.activate(str(fresh))
    assert library.resolve("city") == [library.find("city")]


@pytest.mark.parametrize("text", ['{"active": "harbour@2.0", "previous": null}', '{"active": "harbour@2.0"}'])
def test_a_choice_of_an_earlier_version_leads_back_to_the_default(
    library: Library, fresh: Path, tmp_path: Path, text: str
) -> None:
    """In earlier files, a missing name means the shipped bundle."""
    target = library.install(fresh).path
    (tmp_path / "state" / "models" / "active.json").write_text(text)
    assert library.resolve("city")[0] == target
    assert library.roll_back() == (library.find("city"), True)


def test_what_root_writes_belongs_to_the_owner_of_the_state_folder(
    library: Library, fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service must be able to read the files; links are not followed, as the service may have made them."""
    (tmp_path / "state" / "models").mkdir(parents=True)
    given: dict[str, tuple[int, int]] = {}

    def chown(path: Path, user: int, group: int, *, follow_symlinks: bool) -> None:
        assert not follow_symlinks
        given[path.name] = (user, group)

    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("os.chown", chown)
    library.install(fresh)
    library.activate("harbour")
    owner = (tmp_path / "state").stat()
    wanted = ("models", "model.onnx", "golden.npz", "manifest.json", "active.json")
    assert [given[name] for name in wanted] == [(owner.st_uid, owner.st_gid)] * len(wanted)


def test_the_default_is_the_shipped_bundle_until_another_is_activated(library: Library, tmp_path: Path) -> None:
    """An installed bundle with the id of the default is used only after its activation."""
    shipped = library.find("city")
    newer = library.install(write_bundle(tmp_path / "newer", bundle_id="city", version="0.2")).path
    assert library.resolve("city") == [shipped, newer]
    assert [entry["active"] for entry in library.describe_bundles()] == [False, True]
    assert library.activate("city@0.2") == newer
    assert library.resolve("city") == [newer, shipped]
    assert library.roll_back() == (shipped, True)
    assert library.resolve("city") == [shipped, newer]


def test_a_bundle_left_by_a_rollback_comes_after_the_shipped_one(library: Library, tmp_path: Path) -> None:
    """The bundle that a rollback left comes after the shipped one, the previous one before it."""
    shipped = library.find("city")
    old, new = (
        library.install(write_bundle(tmp_path / version, bundle_id="city", version=version)).path
        for version in ("1", "2")
    )
    library.activate("city@1")
    library.activate("city@2")
    assert library.resolve("city") == [new, old, shipped]
    assert library.roll_back() == (old, True)
    assert library.resolve("city") == [old, shipped, new]
    assert library.activate("city@2") == new
    assert library.resolve("city") == [new, old, shipped]


def test_an_id_without_a_version_means_the_newest_one(library: Library, tmp_path: Path) -> None:
    """Versions are compared as numbers."""
    for version in ("1.9", "1.10", "1.2"):
        library.install(write_bundle(tmp_path / version, bundle_id="harbour", version=version))
    assert library.find("harbour").name == "harbour@1.10"
    assert library.find("harbour@1.2").name == "harbour@1.2"


def test_a_wish_in_the_configuration_goes_first(library: Library, fresh: Path, tmp_path: Path) -> None:
    """A path or id in the configuration comes before the activated bundle; the others are fallbacks."""
    target = library.install(fresh).path
    other = write_bundle(tmp_path / "other", bundle_id="other", version="1")
    library.activate("harbour")
    shipped = library.find("city")
    assert library.resolve(str(other)) == [other, target, shipped]
    assert library.resolve("harbour") == [target, shipped]
    missing, *rest = library.resolve("nowhere")
    assert not missing.exists()
    assert rest == [target, shipped]


def test_a_damaged_bundle_is_replaced_by_the_previous_one(library: Library, fresh: Path, tmp_path: Path) -> None:
    """With a truncated network, the node uses the previous bundle."""
    library.install(fresh)
    library.activate("harbour")
    newer = library.install(write_bundle(tmp_path / "newer", bundle_id="harbour", version="2.1")).path
    library.activate("harbour@2.1")
    (newer / "model.onnx").write_bytes((newer / "model.onnx").read_bytes()[:100])
    assert load_classifier(library.resolve("city"), check=check_bundle).bundle.version == "2.0"
    assert "model.onnx" in next(e["problem"] for e in library.describe_bundles() if e["version"] == "2.1")
    with pytest.raises(BundleError):
        library.activate("harbour@2.1")


@pytest.mark.parametrize("text", ["", "[]", '{"active": "../../etc"}', '{"active": 3}', "{"])
def test_a_damaged_pointer_means_the_shipped_bundle(library: Library, tmp_path: Path, text: str) -> None:
    """With any damaged active.json, the shipped bundle is used."""
    (tmp_path / "state" / "models").mkdir(parents=True)
    (tmp_path / "state" / "models" / "active.json").write_text(text)
    assert library.resolve("city") == [library.find("city")]


def test_a_folder_that_cannot_be_read_leaves_the_shipped_bundles(
    library: Library, fresh: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An unreadable folder of installed bundles is logged, and the shipped bundle is used."""
    target = library.install(fresh).path
    listed = Path.iterdir

    def iterdir(folder: Path) -> object:
        if folder == target.parent:
            raise PermissionError(13, "Permission denied")
        return listed(folder)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    assert library.resolve("city") == [library.find("city")]
    assert "models cannot be read (Permission denied): the bundles in it are left out" in caplog.text


def test_names_that_are_not_there(library: Library) -> None:
    """The errors of an unknown bundle and of an impossible rollback name the remedy."""
    with pytest.raises(InputMissing, match="there is city"):
        library.find("harbour")
    with pytest.raises(InputMissing, match="there is no earlier bundle"):
        library.roll_back()
    with pytest.raises(InputMissing, match="no such file"):
        library.install(Path("/nowhere/bundle"))


def write_zip(path: Path, *entries: tuple[str, bytes, int]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data, mode in entries:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, data)
    return path


def write_tar(path: Path, *entries: tuple[str, bytes, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, data, kind in entries:
            info = tarfile.TarInfo(name)
            info.type, info.size, info.linkname = kind, len(data), "/etc/passwd"
            archive.addfile(info, io.BytesIO(data))
    return path


@pytest.mark.parametrize(
    "name", ["../escape", "/etc/escape", "a/../../escape", "a/b/c", "..\\escape", "escape\n", "escape" * 50]
)
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_archives_cannot_write_elsewhere(library: Library, tmp_path: Path, name: str, kind: str) -> None:
    """A path that leaves the bundle's folder is refused before anything is written."""
    path = tmp_path / f"trap.{kind}"
    trap = write_zip(path, (name, b"x", 0o100644)) if kind == "zip" else write_tar(path, (name, b"x", tarfile.REGTYPE))
    with pytest.raises(BundleError, match="does not lie in the one folder"):
        library.install(trap)
    assert not list(tmp_path.rglob("escape"))


def test_archives_cannot_bring_links(library: Library, tmp_path: Path) -> None:
    """Symbolic links, hard links and devices are refused."""
    traps = [
        write_zip(tmp_path / "link.zip", ("manifest.json", b"/etc/passwd", 0o120777)),
        write_tar(tmp_path / "link.tar", ("manifest.json", b"", tarfile.SYMTYPE)),
        write_tar(tmp_path / "hard.tar", ("manifest.json", b"", tarfile.LNKTYPE)),
        write_tar(tmp_path / "device.tar", ("manifest.json", b"", tarfile.CHRTYPE)),
    ]
    folder = tmp_path / "linked"
    folder.mkdir()
    (folder / "manifest.json").symlink_to("/etc/passwd")
    for trap in [*traps, folder]:
        with pytest.raises(BundleError, match="not a plain file"):
            library.install(trap)


def test_archives_cannot_fill_the_disk(library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many files or bytes, and repeated names, are refused while unpacking."""
    monkeypatch.setattr(unpacking, "MAX_BYTES", 1000)
    monkeypatch.setattr(unpacking, "MAX_FILES", 3)
    with pytest.raises(BundleError, match="MiB"):
        library.install(write_zip(tmp_path / "big.zip", ("a", b"0" * 2000, 0o100644)))
    with pytest.raises(BundleError, match="more than 3 files"):
        library.install(write_zip(tmp_path / "many.zip", *((str(i), b"", 0o100644) for i in range(5))))
    with pytest.raises(BundleError, match="same name"):
        library.install(write_zip(tmp_path / "twice.zip", ("x/a", b"", 0o100644), ("y/a", b"", 0o100644)))


def test_things_that_are_no_archive(library: Library, tmp_path: Path) -> None:
    """A text file and a truncated archive have messages of their own."""
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(BundleError, match="neither a folder"):
        library.install(tmp_path / "notes.txt")
    whole = write_tar(tmp_path / "whole.tar", ("manifest.json", b"0" * 5000, tarfile.REGTYPE)).read_bytes()
    (tmp_path / "half.tar").write_bytes(whole[:2000])
    with pytest.raises(BundleError, match="damaged"):
        library.install(tmp_path / "half.tar")


def test_a_folder_that_cannot_be_written(library: Library, fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk and a missing permission raise different errors."""
    for error, expected in ((PermissionError(13, "no"), Forbidden), (OSError(28, "No space left"), StorageError)):

        def refuse(*_: object, error: OSError = error, **__: object) -> None:
            raise error

        monkeypatch.setattr("edge.inference.library.tempfile.TemporaryDirectory", refuse)
        with pytest.raises(expected):
            library.install(fresh)


def test_the_shipped_bundle_is_good() -> None:
    """The shipped bundle passes all checks and has the expected labels."""
    entries = [entry for entry in Library(Path("/nowhere")).describe_bundles() if entry["shipped"]]
    shipped = [("city", "events"), ("claps", "claps"), ("nano", "events")]
    assert [(entry["id"], entry["task"]) for entry in entries] == shipped
    bundle = load_classifier([Path(entries[0]["path"])]).bundle
    assert {"siren", "gunshot", "traffic", "horn", "clap"} <= set(bundle.labels)
    assert json.dumps(bundle.manifest["measured"])
