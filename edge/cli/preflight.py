"""What `run` would refuse although every value by itself is valid: other values, files and the model tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.cli.common import folder_of, models_folder_of, node_name, secret_of
from edge.errors import BundleError, ConfigError, Forbidden, TocsinError, join_problems
from edge.settings.textfile import is_there

if TYPE_CHECKING:
    from edge.inference.bundle import Bundle
    from edge.settings.tree import Settings


def preflight(settings: Settings) -> None:
    """Look at everything that the settings lead to, short of devices and the network.

    Raises `ConfigError` with all that is wrong, or `Forbidden` where that is a secret that may not be read.
    """
    looks = [(node_name, True), (_folder, True), (_model, True)]
    looks += [(_clap_network, settings.claps.enabled), (_broker, settings.mqtt.enabled), (_web, settings.api.enabled)]
    problems: list[TocsinError] = []
    for look, wanted in looks:
        try:
            if wanted:
                look(settings)
        except (ConfigError, Forbidden) as exc:
            problems.append(exc)
    if problems:
        raise join_problems(problems)


def _folder(settings: Settings) -> None:
    path = folder_of(settings)
    there = next(folder for folder in (path, *path.parents) if is_there(folder))
    if not there.is_dir():
        msg = f"{there} is not a folder"
        raise ConfigError(msg, where="storage.path")


def check_model(settings: Settings, bundle: Bundle) -> None:
    """Raise `ConfigError` where a bundle does not go together with what the settings say of its labels."""
    from edge.away.watch import AwayWatch
    from edge.claps.bundle import check_clap_rate
    from edge.detection.rules import rules_for

    rules_for(bundle.labels, bundle.thresholds, settings.detection)
    if settings.claps.enabled:
        check_clap_rate(bundle)
    if settings.away.enabled:
        AwayWatch(settings.away, bundle.params, bundle.labels)


def _model(settings: Settings) -> None:
    from edge.inference.bundle import EVENTS
    from edge.inference.library import Library
    from edge.inference.load import open_bundle
    from edge.pipeline.build import check_bundle

    try:
        wanted = Library(models_folder_of(settings)).resolve(settings.model.bundle)[0]
        bundle = open_bundle(wanted, EVENTS, check=check_bundle)
    except BundleError as exc:
        raise ConfigError(exc.what, where=f"model.bundle: {exc.where}", remedy=exc.remedy) from exc
    check_model(settings, bundle)


def _clap_network(settings: Settings) -> None:
    from edge.inference.bundle import CLAPS
    from edge.inference.library import Library
    from edge.inference.load import open_bundle
    from edge.pipeline.build import check_bundle

    try:
        wanted = Library(models_folder_of(settings)).clap_networks(settings.claps.bundle)[0]
        open_bundle(wanted, CLAPS, check=check_bundle)
    except BundleError as exc:
        raise ConfigError(exc.what, where=f"claps.bundle: {exc.where}", remedy=exc.remedy) from exc


def _broker(settings: Settings) -> None:
    from edge.publish.broker import tls_context

    secret_of(settings.mqtt.password, settings.mqtt.password_file, "mqtt_password")
    tls_context(settings.mqtt)


def _web(settings: Settings) -> None:
    from edge.api.security import require_token

    require_token(settings.api, secret_of(settings.api.token, settings.api.token_file, "api_token"))
