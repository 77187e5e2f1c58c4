"""Checks of where what was heard goes: broker, programs and web side."""

from __future__ import annotations

import os
import shutil
import socket
from typing import TYPE_CHECKING

from edge.cli.checks.check import Check
from edge.cli.common import secret_of
from edge.errors import TocsinError, render
from edge.settings.actions import CommandAction

if TYPE_CHECKING:
    from edge.settings.tree import Settings

_TIMEOUT_S = 3.0


def actions(settings: Settings) -> Check:
    """Check that the programs of the actions can be started, by whoever asks."""
    commands = {name: action for name, action in settings.actions.items() if isinstance(action, CommandAction)}
    if bad := [f"{name}: {why}" for name, action in commands.items() if (why := _unusable(action))]:
        remedy = "install it, correct the action's command or working_dir, or make it executable (chmod +x)"
        return Check("actions", "fail", ", ".join(bad), remedy)
    return Check("actions", "ok", f"{len(settings.actions)} configured, {len(commands)} of them programs")


def _unusable(action: CommandAction) -> str:
    """Return why a program cannot be started; nothing where it can, or where its name depends on the event."""
    folder, program = action.working_dir, action.command[0]
    if folder is not None and not os.path.isdir(folder):  # noqa: PTH112 - no error where one may not look
        return f"there is no folder {folder}"
    # As the system looks for it: a bare name on the PATH, any other from the folder that it runs in.
    where = os.path.join(folder or os.curdir, program) if "/" in program else program  # noqa: PTH118 - keeps the ./
    return "" if "$" in program or shutil.which(where) else f"there is no program {program}"


def broker(settings: Settings) -> Check:
    """Check that the broker lets this node in."""
    from edge.publish.mqtt import check_broker

    mqtt = settings.mqtt
    if not mqtt.enabled:
        return Check("broker", "note", "mqtt.enabled = false")
    where = f"{mqtt.host}:{mqtt.port}"
    try:
        check_broker(mqtt, secret_of(mqtt.password, mqtt.password_file, "mqtt_password"), timeout_s=_TIMEOUT_S)
    except TocsinError as exc:
        return Check("broker", "fail", render(exc.what, where=exc.where), exc.remedy)
    return Check("broker", "ok", f"{where} accepts this node")


def port(settings: Settings) -> Check:
    """Check that the web side can listen."""
    api = settings.api
    if not api.enabled:
        return Check("port", "note", "api.enabled = false")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(api.host, api.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
    except OSError as exc:
        remedy = "stop what uses it (perhaps a tocsin that runs), or set api.port"
        return Check("port", "fail", f"{api.host}:{api.port}: {os.strerror(exc.errno) if exc.errno else exc}", remedy)
    return Check("port", "ok", f"{api.host}:{api.port} is free")
