"""`model`: installation, activation, rollback and checks of bundles."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.support.bundles import write_bundle

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Tocsin


def test_models_from_install_to_rollback(tocsin: Tocsin, tmp_path: Path) -> None:
    """A bundle is installed, activated, described, verified and rolled back."""
    source = write_bundle(tmp_path / "fresh", bundle_id="harbour", version="2.0")
    assert "installed harbour@2.0 in" in tocsin("model", "install", source).stdout
    assert "harbour@2.0 is already installed" in tocsin("model", "install", source).stdout
    assert "harbour@2.0 is active" in tocsin("model", "activate", "harbour").stdout
    entries = json.loads(tocsin("model", "list", "--json").stdout)
    assert [(e["id"], e["active"]) for e in entries] == [
        ("harbour", True),
        *((shipped, False) for shipped in ("city", "claps", "nano")),
    ]
    assert "* " in tocsin("model", "list").stdout.splitlines()[1]
    assert "weights written by hand" in tocsin("model", "info").stdout
    assert json.loads(tocsin("model", "info", "city", "--json").stdout)["id"] == "city"
    assert tocsin("model", "verify").stdout.count("fine") == 4
    assert "back to city" in tocsin("model", "rollback").stdout


def test_an_activated_bundle_that_the_configuration_overrides(tocsin: Tocsin, tmp_path: Path) -> None:
    """A warning says that the configuration takes precedence."""
    tocsin("model", "install", write_bundle(tmp_path / "fresh", bundle_id="harbour", version="2.0"))
    entries = json.loads(tocsin("model", "list", "--json").stdout)
    shipped = next(entry["path"] for entry in entries if entry["id"] == "city")
    answer = tocsin("model", "activate", "harbour", env={"TOCSIN_MODEL__BUNDLE": shipped})
    assert answer.returncode == 0
    assert "takes precedence" in answer.stderr


def test_bad_bundles_are_reported_in_one_line(tocsin: Tocsin, tmp_path: Path) -> None:
    """A wrong checksum, an unknown id and a missing path have different exit codes."""
    broken = write_bundle(tmp_path / "broken")
    (broken / "golden.npz").write_bytes(b"short")
    rubbish = tmp_path / "rubbish.zip"
    rubbish.write_bytes(b"PK" + bytes(range(256)))
    for arguments, code in (
        (("model", "install", broken), 65),
        (("model", "install", rubbish), 65),
        (("model", "activate", "claps"), 65),
        (("model", "verify", broken), 78),
        (("model", "activate", "nowhere"), 66),
        (("model", "install", tmp_path / "absent"), 66),
        (("model", "rollback"), 66),
    ):
        answer = tocsin(*arguments)
        assert answer.returncode == code
        assert answer.stderr.startswith("tocsin: ")
        assert answer.stderr.count("\n") == 1


def test_installing_over_a_damaged_bundle_replaces_it(tocsin: Tocsin, tmp_path: Path) -> None:
    """A damaged bundle is replaced, and the output says so."""
    source = write_bundle(tmp_path / "fresh", bundle_id="harbour", version="2.0")
    tocsin("model", "install", source)
    (tmp_path / "state" / "tocsin" / "models" / "harbour@2.0" / "model.onnx").write_bytes(b"short")
    assert tocsin("model", "verify", "harbour").returncode == 78
    assert "replaced the damaged harbour@2.0 in" in tocsin("model", "install", source).stdout
    assert tocsin("model", "verify", "harbour").returncode == 0


def test_classify_falls_back_from_a_bad_bundle(tocsin: Tocsin, horn: Path, tmp_path: Path) -> None:
    """If the configured bundle is broken, that is reported and the shipped one is used."""
    broken = write_bundle(tmp_path / "broken")
    (broken / "model.onnx").write_bytes(b"short")
    env = {"TOCSIN_MODEL__BUNDLE": str(broken), "TOCSIN_DETECTION__CLASSES__HORN__OFF": "0.97"}
    answer = tocsin("classify", "--json", horn, env=env)
    assert json.loads(answer.stdout)["model"]["id"] == "city"
    assert "model.onnx differs from the exported file" in answer.stderr
    assert "using model city" in answer.stderr
