"""Cross-checks of a configuration against files and the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.cli.common import choose_node_name, find_models_folder, find_secret, find_state_folder
from edge.errors import BundleError, ConfigError, Forbidden, TocsinError, join_problems
from edge.settings.textfile import path_exists

if TYPE_CHECKING:
    from edge.inference.bundle import Bundle
    from edge.settings.tree import Settings


def cross_check(settings: Settings) -> None:
    """Check everything that the settings refer to, except devices and the network.

    Raises `ConfigError` with all problems, or `Forbidden` if the only one is a secret that may not be read.
    """
    checks = [(choose_node_name, True), (_check_folder, True), (_check_event_bundle, True)]
    checks += [
        (_check_clap_bundle, settings.claps.enabled),
        (_check_broker, settings.mqtt.enabled),
        (_check_api, settings.api.enabled),
    ]
    problems: list[TocsinError] = []
    for check, wanted in checks:
        try:
            if wanted:
                check(settings)
        except (ConfigError, Forbidden) as exc:
            problems.append(exc)
    if problems:
        raise join_problems(problems)


def _check_folder(settings: Settings) -> None:
    path = find_state_folder(settings)
    there = next(folder for folder in (path, *path.parents) if path_exists(folder))
    if not there.is_dir():
        msg = f"{there} is not a folder"
        raise ConfigError(msg, where="storage.path")


def check_model(settings: Settings, bundle: Bundle) -> None:
    """Raise `ConfigError` if the settings do not fit the labels of a bundle."""
    from edge.away.watch import AwayWatch
    from edge.claps.bundle import check_clap_rate
    from edge.detection.rules import make_rules

    make_rules(bundle.labels, bundle.thresholds, settings.detection)
    if settings.claps.enabled:
        check_clap_rate(bundle)
    if settings.away.enabled:
        AwayWatch(settings.away, bundle.params, bundle.labels)


def _check_event_bundle(settings: Settings) -> None:
    from edge.inference.bundle import EVENTS
    from edge.inference.library import Library
    from edge.inference.load import open_bundle
    from edge.pipeline.build import check_bundle

    try:
        wanted = Library(find_models_folder(settings)).resolve(settings.model.bundle)[0]
        bundle = open_bundle(wanted, EVENTS, check=check_bundle)
    except BundleError as exc:
        raise ConfigError(exc.what, where=f"model.bundle: {exc.where}", remedy=exc.remedy) from exc
    check_model(settings, bundle)


def _check_clap_bundle(settings: Settings) -> None:
    from edge.inference.bundle import CLAPS
    from edge.inference.library import Library
    from edge.inference.load import open_bundle
    from edge.pipeline.build import check_bundle

    try:
        wanted = Library(find_models_folder(settings)).resolve_clap_network(settings.claps.bundle)[0]
        open_bundle(wanted, CLAPS, check=check_bundle)
    except BundleError as exc:
        raise ConfigError(exc.what, where=f"claps.bundle: {exc.where}", remedy=exc.remedy) from exc


def _check_broker(settings: Settings) -> None:
    from edge.publish.broker import tls_context

    find_secret(settings.mqtt.password, settings.mqtt.password_file, "mqtt_password")
    tls_context(settings.mqtt)


def _check_api(settings: Settings) -> None:
    from edge.api.security import require_token

    require_token(settings.api, find_secret(settings.api.token, settings.api.token_file, "api_token"))
