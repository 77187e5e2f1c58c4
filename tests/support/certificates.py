"""Certificates of a test authority, made with openssl."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_CONFIG = """\
[ca]
default_ca = us
[us]
database = index
serial = serial
new_certs_dir = .
default_md = sha256
policy = any
copy_extensions = copy
unique_subject = no
[any]
commonName = supplied
"""


class Authority:
    """A certificate authority with all its files in one folder."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        """Make the key and the certificate, `{name}.crt`."""
        self.folder, self.name = folder, name
        folder.mkdir(exist_ok=True)
        (folder / "index").touch()
        (folder / "serial").write_text("01\n", encoding="ascii")
        (folder / "config").write_text(_CONFIG, encoding="ascii")
        key = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}"]
        self._openssl(*key, "-keyout", f"{name}.key", "-out", f"{name}.crt")

    @property
    def certificate(self) -> Path:
        """The file of the authority's certificate."""
        return self.folder / f"{self.name}.crt"

    def sign(
        self, name: str, host: str = "IP:127.0.0.1", begin: str = "20200101000000Z", end: str = "20991231000000Z"
    ) -> tuple[Path, Path]:
        """Create `{name}.crt` for a host and a time, and its key; return both files."""
        new = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}"]
        self._openssl(*new, "-addext", f"subjectAltName={host}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        own = ["-cert", f"{self.name}.crt", "-keyfile", f"{self.name}.key"]
        time = ["-startdate", begin, "-enddate", end]
        self._openssl("ca", "-batch", "-config", "config", *own, *time, "-in", f"{name}.csr", "-out", f"{name}.crt")
        return self.folder / f"{name}.crt", self.folder / f"{name}.key"

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)
