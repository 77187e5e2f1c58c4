"""Unusable TLS files: the error names the file at fault."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from edge.errors import ConfigError
from edge.publish.broker import check_names, tls_context
from edge.settings.tree import Mqtt

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a certificate, its key plain and encrypted, another key, and a text."""
    folder = tmp_path_factory.mktemp("tls")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    curve = ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
    openssl("genpkey", *curve, "-out", "node.key")
    openssl("genpkey", *curve, "-out", "other.key")
    openssl("pkey", "-in", "node.key", "-aes256", "-passout", "pass:sesame", "-out", "locked.key")
    openssl("req", "-x509", "-key", "node.key", "-subj", "/CN=node", "-out", "node.crt")
    (folder / "both.pem").write_bytes((folder / "node.crt").read_bytes() + (folder / "node.key").read_bytes())
    (folder / "text").write_text("no certificate\n")
    return folder


def settings(folder: Path, **names: str) -> Mqtt:
    return Mqtt.model_validate({"tls": True, **{key: folder / name for key, name in names.items()}})


def test_good_files_are_taken(folder: Path) -> None:
    """Certificate and key in two files or in one; without TLS no file is read."""
    assert tls_context(settings(folder, ca_file="node.crt", cert_file="node.crt", key_file="node.key"))
    assert tls_context(settings(folder, cert_file="both.pem"))
    assert tls_context(Mqtt(ca_file=folder / "absent")) is None


@pytest.mark.parametrize(
    ("names", "key", "words"),
    [
        ({"ca_file": "absent"}, "ca_file", "there is no such file"),
        ({"ca_file": "text"}, "ca_file", "cannot be used"),
        ({"ca_file": "."}, "ca_file", "directory"),
        ({"ca_file": "node.crt", "cert_file": "absent", "key_file": "node.key"}, "cert_file", "there is no such file"),
        ({"cert_file": "node.crt", "key_file": "absent"}, "key_file", "there is no such file"),
        ({"cert_file": "text", "key_file": "node.key"}, "cert_file", "certificate in PEM"),
        ({"cert_file": "node.crt", "key_file": "text"}, "key_file", "key of mqtt.cert_file"),
        ({"cert_file": "node.crt", "key_file": "other.key"}, "key_file", "key of mqtt.cert_file"),
        ({"cert_file": "node.crt", "key_file": "locked.key"}, "key_file", "unencrypted"),
        ({"cert_file": "node.crt"}, "cert_file", "unless mqtt.key_file is set"),
    ],
)
def test_the_file_at_fault_is_named(folder: Path, names: dict[str, str], key: str, words: str) -> None:
    """Its setting and path begin the line, and the other files are not named."""
    with pytest.raises(ConfigError) as caught:
        tls_context(settings(folder, **names))
    message = str(caught.value)
    assert message.startswith(f"mqtt.{key}: {folder / names[key]}: ")
    assert words in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "values", [{"client_id": "x" * 70_000}, {"username": "ü" * 40_000}, {"client_id": "a\nb"}, {"username": "\x00"}]
)
def test_what_does_not_fit_into_the_protocol_is_a_configuration_error(values: dict[str, str]) -> None:
    """It is no connection attempt that fails for ever."""
    (name,) = values
    with pytest.raises(ConfigError, match=f"mqtt.{name}: the value (is longer|holds a control character)"):
        check_names(values.get("client_id", ""), values.get("username", ""), None)
    with pytest.raises(ConfigError, match=r"mqtt\.password: the value is longer"):
        check_names("", "", "x" * 70_000)
    check_names("tocsin-lamp", "zürich", "any\x00 thing")
