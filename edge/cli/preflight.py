"""What `run` would refuse although every value by itself is valid: other values, files and the model tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.cli.common import folder_of
from edge.configfile import secret
from edge.errors import BundleError, ConfigError

if TYPE_CHECKING:
    from edge.settings import Settings


def preflight(settings: Settings) -> None:
    """Look at everything that the settings lead to, short of devices and the network.

    Raises `ConfigError`, or `Forbidden` for a secret that may not be read.
    """
    _model(settings)
    if settings.mqtt.enabled:
        _broker(settings)
    if settings.api.enabled:
        _web(settings)


def _model(settings: Settings) -> None:
    from edge.detection.rules import rules_for
    from edge.inference.bundle import read_bundle
    from edge.inference.library import Library

    try:
        bundle = read_bundle(Library(folder_of(settings)).resolve(settings.model.bundle)[0])
    except BundleError as exc:
        msg = f"model.bundle: {exc}"
        raise ConfigError(msg) from exc
    rules_for(bundle.labels, bundle.thresholds, settings.detection)


def _broker(settings: Settings) -> None:
    from edge.publish.broker import tls_context

    secret(settings.mqtt.password, settings.mqtt.password_file, "mqtt_password")
    tls_context(settings.mqtt)


def _web(settings: Settings) -> None:
    from edge.api.security import require_token

    require_token(settings.api, secret(settings.api.token, settings.api.token_file, "api_token"))
