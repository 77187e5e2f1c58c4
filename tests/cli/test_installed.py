"""Commands on a machine with an installed service: they use its state folder and credentials."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from edge import cli
from edge.cli import installed
from edge.cli.common import find_models_folder, find_own_folder
from edge.settings.tree import Settings
from tests.support.bundles import change_manifest, write_bundle


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install a unit and return the state folder of its service."""
    unit = tmp_path / "systemd" / "tocsin.service"
    (tmp_path / "systemd" / "tocsin.service.d").mkdir(parents=True)
    unit.write_text("[Service]\nStateDirectory=tocsin\n#LoadCredential=api_token:/nowhere\n")
    state = tmp_path / "lib" / "tocsin"
    monkeypatch.setattr(installed, "UNITS", (tmp_path / "absent.service", unit))
    monkeypatch.setattr(installed, "STATE", state)
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "own"))
    return state


@pytest.fixture
def harbour(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "fresh", bundle_id="harbour", version="2.0")


def run_command(capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 0) -> str:
    assert cli.main([str(argument) for argument in arguments]) == code
    said = capsys.readouterr()
    return said.err if code else said.out


def test_models_go_where_the_service_looks(
    service: Path, harbour: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bundles are installed and activated in the service's folder, which the output names."""
    assert f"in {service / 'models' / 'harbour@2.0'}; use it" in run_command(capsys, "model", "install", harbour)
    assert f"harbour@2.0 is active in {service}; restart" in run_command(capsys, "model", "activate", "harbour")
    assert f"state folder {service}\n" in run_command(capsys, "model", "list")
    (active,) = [entry["id"] for entry in json.loads(run_command(capsys, "model", "list", "--json")) if entry["active"]]
    assert active == "harbour"
    assert f"back to city in {service}; restart" in run_command(capsys, "model", "rollback")
    assert f"back to city in {service}; it was before" in run_command(capsys, "model", "rollback")
    assert not (tmp_path / "own").exists()


def test_a_folder_that_is_named_goes_before(
    service: Path, harbour: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Environment and configuration override the folder; a node of this user has its own."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "other"))
    assert str(tmp_path / "other") in run_command(capsys, "model", "install", harbour)
    monkeypatch.setenv("TOCSIN_STORAGE__PATH", str(tmp_path / "third"))
    assert str(tmp_path / "third") in run_command(capsys, "model", "install", harbour)
    monkeypatch.delenv("STATE_DIRECTORY")
    monkeypatch.delenv("TOCSIN_STORAGE__PATH")
    assert find_own_folder(Settings()) == tmp_path / "own" / "tocsin"
    assert not service.exists()


def test_without_a_service_everybody_has_his_own(
    service: Path, harbour: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without an installed unit, the folder is the user's own."""
    monkeypatch.setattr(installed, "UNITS", ())
    assert str(tmp_path / "own" / "tocsin") in run_command(capsys, "model", "install", harbour)
    assert not service.exists()


def test_without_permission_the_user_is_told_to_use_sudo(
    service: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without permission, commands that manage the service name sudo; others use the user's folder."""
    service.parent.mkdir()
    service.symlink_to(tmp_path / "private" / "tocsin")
    looked_into, stat = os.access, Path.stat

    def refused(path: Path, **options: bool) -> os.stat_result:
        if path.is_relative_to(service):
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, **options)

    monkeypatch.setattr("os.access", lambda path, mode: Path(path) != service and looked_into(path, mode))
    monkeypatch.setattr(Path, "stat", refused)
    monkeypatch.setenv("TOCSIN_MQTT__ENABLED", "false")
    for command in ("list", "rollback", "verify"):
        assert f"{service}: this user may not read the folder; use sudo" in run_command(
            capsys, "model", command, code=77
        )
    assert find_models_folder(Settings()) == tmp_path / "own" / "tocsin"
    assert cli.main(["doctor", "--json"]) == 1
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    assert checks["state folder"]["mend"] == "run 'sudo tocsin doctor'"
    assert checks["disk"]["state"] == "ok"


def test_doctor_looks_at_the_folder_and_the_secrets_of_the_service(
    service: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The service's state folder and the credentials of its unit are used; comments are ignored."""
    drop_in = tmp_path / "systemd" / "tocsin.service.d" / "mine.conf"
    assert installed.find_credential_file("api_token") is None
    drop_in.write_text(f"[Service]\nLoadCredential=api_token:{tmp_path / 'token'}\n")
    assert installed.find_credential_file("api_token") == tmp_path / "token"
    monkeypatch.setenv("TOCSIN_MQTT__ENABLED", "false")
    assert cli.main(["doctor", "--json"]) in (0, 1)
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    assert checks["state folder"]["found"] == str(service)
    monkeypatch.setenv("TOCSIN_API__HOST", "0.0.0.0")
    assert "token: there is no such file" in run_command(capsys, "config", "check", code=78)
    (tmp_path / "token").write_text("open sesame, please\n")
    assert "fine" in run_command(capsys, "config", "check")


def test_a_bundle_that_the_configuration_does_not_fit_is_not_activated(
    service: Path, harbour: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bundle with which the service would not start is refused; a rollback warns about it."""
    run_command(capsys, "model", "install", harbour)
    monkeypatch.setenv("TOCSIN_DETECTION__CLASSES__DOG__ON", "0.9")
    assert "dog: the model has no such label" in run_command(capsys, "model", "activate", "harbour", code=65)
    assert not (service / "models" / "active.json").exists()
    monkeypatch.delenv("TOCSIN_DETECTION__CLASSES__DOG__ON")
    for name in ("harbour", "nano"):
        run_command(capsys, "model", "activate", name)
    monkeypatch.setenv("TOCSIN_DETECTION__CLASSES__DOG__ON", "0.9")
    assert cli.main(["model", "rollback"]) == 0
    assert "without that the service will not start with harbour@2.0" in capsys.readouterr().err


def test_a_shipped_bundle_is_activated_by_its_name(service: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A shipped bundle is activated without a warning and marked in the list."""
    assert cli.main(["model", "activate", "nano"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith(f"nano is active in {service}; restart")
    assert said.err == ""
    (marked,) = [line for line in run_command(capsys, "model", "list").splitlines() if line.startswith("*")]
    assert marked.split()[1].startswith("nano@")


def test_a_damaged_bundle_does_not_stop_a_run(
    service: Path, harbour: Path, horn: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The previous bundle is used, and the log names the reason."""
    for arguments in (("install", harbour), ("activate", "harbour")):
        run_command(capsys, "model", *arguments)
    change_manifest(service / "models" / "harbour@2.0", thresholds={"siren": {"on": 5, "off": 7}})
    assert cli.main(["classify", "--json", str(horn)]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["model"]["id"] == "city"
    assert "thresholds.siren.on" in said.err
    assert "using model city" in said.err
