"""Checks of the outputs: broker, actions and API."""

from __future__ import annotations

import os
import shutil
import socket
from typing import TYPE_CHECKING

from edge.cli.checks.check import Check
from edge.cli.common import find_secret
from edge.errors import TocsinError, render
from edge.settings.actions import CommandAction

if TYPE_CHECKING:
    from edge.settings.tree import Settings

_TIMEOUT_S = 3.0


def check_actions(settings: Settings) -> Check:
    """Check that the current user can start the programs of the actions."""
    commands = {name: action for name, action in settings.actions.items() if isinstance(action, CommandAction)}
    if bad := [f"{name}: {why}" for name, action in commands.items() if (why := _explain_unusable(action))]:
        remedy = "install it, correct the action's command or working_dir, or make it executable (chmod +x)"
        return Check("actions", "fail", ", ".join(bad), remedy)
    return Check("actions", "ok", f"{len(settings.actions)} configured, {len(commands)} of them programs")


def _explain_unusable(action: CommandAction) -> str:
    """Return why a program cannot be started.

    Empty if it can, or if its name depends on the event.
    """
    folder, program = action.working_dir, action.command[0]
    if folder is not None and not os.path.isdir(folder):  # noqa: PTH112 - raises no error without permission
        return f"there is no folder {folder}"
    # The system looks for a bare name on the PATH, and for any other path from the working folder.
    where = os.path.join(folder or os.curdir, program) if "/" in program else program  # noqa: PTH118 - keeps the ./
    return "" if "$" in program or shutil.which(where) else f"there is no program {program}"


def check_broker(settings: Settings) -> Check:
    """Check that the broker accepts this node."""
    from edge.publish import mqtt as client

    mqtt = settings.mqtt
    if not mqtt.enabled:
        return Check("broker", "note", "mqtt.enabled = false")
    where = f"{mqtt.host}:{mqtt.port}"
    try:
        client.check_broker(mqtt, find_secret(mqtt.password, mqtt.password_file, "mqtt_password"), timeout_s=_TIMEOUT_S)
    except TocsinError as exc:
        return Check("broker", "fail", render(exc.what, where=exc.where), exc.remedy)
    return Check("broker", "ok", f"{where} accepts this node")


def check_port(settings: Settings) -> Check:
    """Check that the port of the API is free."""
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
