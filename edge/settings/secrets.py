"""Secrets of the configuration, and masking of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from edge.settings.source_spec import parse_source
from edge.settings.textfile import path_exists, read_text

if TYPE_CHECKING:
    from pydantic import SecretStr

    from edge.settings.tree import Settings

_SECRET_BYTES = 1 << 14


def read_secret(value: SecretStr | None, file: Path | None, credential: str) -> str | None:
    """Return a secret: its value, else from its file, else a systemd credential, else None.

    Only the first line of a file counts. Raises `ConfigError` or `Forbidden` for a file that cannot be read.
    """
    if value is not None:
        return value.get_secret_value()
    # Credentials are named after their keys: mqtt_password for mqtt.password.
    key = f"{credential.replace('_', '.', 1)}_file: "
    if file is None:
        folder = os.environ.get("CREDENTIALS_DIRECTORY")
        if not folder or not path_exists(Path(folder) / credential):
            return None
        file = Path(folder) / credential
    return read_text(file, max_bytes=_SECRET_BYTES, key=key).partition("\n")[0].strip()


def mask_settings(settings: Settings) -> dict[str, Any]:
    """Return the settings as JSON values with all secrets masked.

    Secrets are passwords, tokens, and the paths, headers and bodies of webhooks.
    """
    values = settings.model_dump(mode="json", by_alias=True)
    for source in values["sources"]:
        source["spec"] = parse_source(source["spec"]).masked
    for action in values["actions"].values():
        if "url" in action:
            action["url"] = _mask_url(action["url"])
            action["body"] = action["body"] and "***"
    return values


def _mask_url(url: str) -> str:
    """Mask all but scheme and host of an address: a webhook's path is often secret."""
    parts = urlsplit(url)
    _, user, host = parts.netloc.rpartition("@")
    rest = "***" if parts.path.strip("/") or parts.query or parts.fragment else ""
    return f"{parts.scheme}://{'***@' if user else ''}{host}/{rest}"
