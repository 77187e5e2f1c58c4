"""`tocsin doctor`: everything a run needs, a line a check, with the mend for what is wrong."""

from __future__ import annotations

import dataclasses
import os
import platform
import shutil
import socket
import sys
import tempfile
from typing import TYPE_CHECKING, Literal, TypeVar

from edge import systemd
from edge.cli.common import (
    clap_network_of,
    classifier_of,
    folder_of,
    may_read,
    models_folder_of,
    say,
    say_json,
    secret_of,
    settings_of,
)
from edge.cli.terminal import one_line
from edge.errors import TocsinError, Unavailable, describe_bug
from edge.settings.actions import CommandAction
from edge.settings.tree import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edge.inference.onnx import OnnxClassifier

Spec = TypeVar("Spec")
_TIMEOUT_S = 3.0


@dataclasses.dataclass(frozen=True)
class Check:
    """What was looked at, how it is, and what to do about it."""

    name: str
    state: Literal["ok", "note", "fail"]
    found: str
    mend: str = ""


def doctor(config: Path | None, *, as_json: bool) -> int:
    """Print every check; return 1 when one failed."""
    failed = False
    results = []
    for check in examine(config):
        failed |= check.state == "fail"
        results.append(dataclasses.asdict(check))
        if not as_json:
            mend = f"; {check.mend}" if check.mend else ""
            say(one_line(f"{check.state:5} {check.name:14} {check.found}{mend}"))
    if as_json:
        say_json({"ok": not failed, "checks": results}, indent=2)
    return int(failed)


def examine(config: Path | None) -> Iterator[Check]:
    """Yield every check as soon as it is done."""
    yield python()
    try:
        settings = settings_of(config)
    except TocsinError as exc:
        yield Check("configuration", "fail", str(exc), "the checks below use the defaults")
        settings = Settings()
    else:
        yield Check("configuration", "ok", f"valid, {len(settings.sources)} sources")
    checks: tuple[Callable[[Settings], Check], ...] = (
        runtime, model, claps, actions, microphones, ffmpeg, files, broker, state_folder, disk, port, clock,
    )  # fmt: skip
    for check in checks:
        try:
            yield check(settings)
        except Exception as exc:  # noqa: BLE001 - what one check meets must not cost the others
            yield Check(check.__name__.replace("_", " "), "fail", describe_bug(exc))


def python() -> Check:
    """Say which interpreter runs; the installation has made sure that it is new enough."""
    return Check("python", "ok", f"{platform.python_version()} in {sys.prefix}")


def runtime(settings: Settings) -> Check:
    """Check ONNX Runtime and the wanted provider."""
    try:
        from edge.inference.onnx import available_providers
    except ImportError as exc:
        return Check("onnx runtime", "fail", f"cannot be loaded ({exc})", "pip install onnxruntime")
    ours, wanted = available_providers(), settings.model.provider
    if wanted != "auto" and wanted not in ours:
        mend = "install NVIDIA's wheel of ONNX Runtime, or set model.provider = 'auto'"
        return Check("onnx runtime", "note", f"no {wanted} here, it will run on {ours[0]}", mend)
    return Check("onnx runtime", "ok", ", ".join(ours))


def model(settings: Settings) -> Check:
    """Check the bundle: files, sums and golden recording."""
    from edge.inference.library import Library

    return _bundle(
        "model", Library(models_folder_of(settings)).resolve(settings.model.bundle)[0], classifier_of, settings
    )


def claps(settings: Settings) -> Check:
    """Check the clap network's bundle in the same way."""
    from edge.inference.library import Library

    wanted = Library(models_folder_of(settings)).clap_networks(settings.claps.bundle)[0]
    return _bundle("claps", wanted, clap_network_of, settings)


def _bundle(name: str, wanted: Path, load: Callable[[Settings], OnnxClassifier | None], settings: Settings) -> Check:
    try:
        classifier = load(settings)
    except TocsinError as exc:
        return Check(name, "fail", str(exc))
    if classifier is None:
        return Check(name, "note", f"{name}.enabled = false")
    bundle = classifier.bundle
    what = f"{bundle.network} network, {len(bundle.labels)} labels"
    found = f"{bundle.id}@{bundle.version}, {what}, golden recording reproduced"
    if bundle.path != wanted:
        return Check(name, "fail", f"{wanted} cannot be used; running {found}", "see 'tocsin model verify'")
    return Check(name, "ok", found)


def actions(settings: Settings) -> Check:
    """Check that the programs of the actions can be started, by whoever asks."""
    commands = {name: action for name, action in settings.actions.items() if isinstance(action, CommandAction)}
    if bad := [f"{name}: {why}" for name, action in commands.items() if (why := _unusable(action))]:
        mend = "install it, correct the action's command or working_dir, or make it executable (chmod +x)"
        return Check("actions", "fail", ", ".join(bad), mend)
    return Check("actions", "ok", f"{len(settings.actions)} configured, {len(commands)} of them programs")


def _unusable(action: CommandAction) -> str:
    """Return why a program cannot be started; nothing where it can, or where its name depends on the event."""
    folder, program = action.working_dir, action.command[0]
    if folder is not None and not os.path.isdir(folder):  # noqa: PTH112 - no error where one may not look
        return f"there is no folder {folder}"
    # As the system looks for it: a bare name on the PATH, any other from the folder that it runs in.
    where = os.path.join(folder or os.curdir, program) if "/" in program else program  # noqa: PTH118 - keeps the ./
    return "" if "$" in program or shutil.which(where) else f"{program} is no program"


def microphones(settings: Settings) -> Check:
    """Check PortAudio and the microphones that are configured."""
    from edge.audio.sources.devices import list_microphones
    from edge.audio.sources.identity import exact_ids, matching
    from edge.audio.sources.microphone import alike
    from edge.settings.source_spec import MicSpec

    specs = _specs(settings, MicSpec)
    bad: Literal["fail", "note"] = "fail" if specs else "note"
    try:
        found = list_microphones()
    except Unavailable as exc:
        return Check("microphones", bad, str(exc))
    if not found:
        mend = "plug one in, and put the user into the group 'audio' (usermod -aG audio USER)"
        return Check("microphones", bad, "none", mend)
    names = [microphone.name for microphone in found]
    places = {spec.device: matching(names, spec.device) for spec in specs if spec.device}
    if missing := sorted(device for device, matched in places.items() if not matched):
        return Check("microphones", "fail", f"not there: {', '.join(missing)}", "'tocsin devices' lists those that are")
    if any(spec.device is None for spec in specs) and not any(microphone.is_default for microphone in found):
        return Check("microphones", "fail", "no default one", "'tocsin devices' lists those that are; name one")
    unsure = [alike(d, exact_ids([names[n] for n in matched])) for d, matched in places.items() if len(matched) > 1]
    if unsure:
        return Check("microphones", "note", "; ".join(unsure))
    return Check("microphones", "ok", ", ".join(sorted({microphone.id for microphone in found})))


def ffmpeg(settings: Settings) -> Check:
    """Check ffmpeg, which opens network streams."""
    from edge.settings.source_spec import UrlSpec

    path = shutil.which("ffmpeg")
    if path:
        return Check("ffmpeg", "ok", path)
    state: Literal["fail", "note"] = "fail" if _specs(settings, UrlSpec) else "note"
    return Check("ffmpeg", state, "not installed", "rtsp and http sources need it: apt install ffmpeg")


def files(settings: Settings) -> Check:
    """Check that the configured recordings are there."""
    from edge.settings.source_spec import FileSpec

    specs = _specs(settings, FileSpec)
    if missing := [str(spec.path) for spec in specs if not os.path.isfile(spec.path)]:  # noqa: PTH113 - no error either
        return Check("files", "fail", f"not there: {', '.join(missing)}", "correct the path in sources")
    return Check("files", "ok", f"{len(specs)} configured")


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
        mend = "" if "refused us" in str(exc) else "start one there, correct mqtt.host, or set mqtt.enabled = false"
        return Check("broker", "fail", str(exc), mend)
    return Check("broker", "ok", f"{where} lets us in")


def state_folder(settings: Settings) -> Check:
    """Check that history can be written."""
    folder = folder_of(settings)
    if not may_read(folder):
        return Check("state folder", "fail", f"{folder}: not allowed to look into it", "run 'sudo tocsin doctor'")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
    except OSError as exc:
        return Check("state folder", "fail", f"{folder}: {exc.strerror}", "set storage.path to another folder")
    return Check("state folder", "ok", str(folder))


def disk(settings: Settings) -> Check:
    """Check free space."""
    folder = folder_of(settings)
    while not os.path.exists(folder):  # noqa: PTH110 - no error where one may not look
        folder = folder.parent
    free = shutil.disk_usage(folder).free >> 20
    if free < settings.storage.min_free_mb:
        return Check("disk", "fail", f"{free} MiB free", "make room, or lower storage.clips_max_mb")
    return Check("disk", "ok", f"{free} MiB free")


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
        mend = "stop what uses it (perhaps a tocsin that runs), or set api.port"
        return Check("port", "fail", f"{api.host}:{api.port}: {os.strerror(exc.errno) if exc.errno else exc}", mend)
    return Check("port", "ok", f"{api.host}:{api.port} is free")


def clock(settings: Settings) -> Check:  # noqa: ARG001 - every check takes the settings
    """Check that the time in the messages can be trusted."""
    if systemd.clock_synced():
        return Check("clock", "ok", "synchronised")
    return Check("clock", "note", "not synchronised, events say so", "timedatectl set-ntp true")


def _specs(settings: Settings, kind: type[Spec]) -> list[Spec]:
    from edge.settings.source_spec import parse_source

    parsed = (parse_source(source.spec) for source in settings.sources if source.enabled)
    return [spec for spec in parsed if isinstance(spec, kind)]
