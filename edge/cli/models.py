"""`tocsin model`: the bundles on this device."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from edge.cli.common import folder_of, may_read, say, say_json, say_table, settings_of, warn
from edge.cli.preflight import check_model
from edge.errors import BundleError, ConfigError, DataError, Forbidden
from edge.inference.bundle import EVENTS, read_bundle
from edge.inference.library import Library
from edge.inference.load import open_bundle, verify_bundle
from edge.pipeline.build import check_bundle

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edge.inference.bundle import Bundle
    from edge.settings.tree import Settings

_INSTALLED = {
    "new": "installed {}",
    "mended": "installed {} anew, as the one there was damaged,",
    "kept": "{} is there already",
}
_RESTART = "restart the service for it (systemctl restart tocsin)"


def show_all(config: Path | None, *, as_json: bool) -> int:
    """Print every bundle."""
    settings = settings_of(config)
    folder = _folder(settings)
    entries = Library(folder).entries(settings.model.bundle)
    if as_json:
        say_json(entries, indent=2)
        return 0
    rows = [
        (
            "*" if entry["active"] else "",
            f"{entry['id']}@{entry['version']}",
            "shipped" if entry["shipped"] else "installed",
            entry["problem"] or f"{len(entry['labels'])} labels",
        )
        for entry in entries
    ]
    say_table(("", "bundle", "from", "what"), rows)
    say(f"state folder {folder}")
    return 0


def info(name: str | None, config: Path | None, *, as_json: bool) -> int:
    """Print what a bundle's manifest says."""
    settings = settings_of(config)
    library = Library(_folder(settings))
    bundle = read_bundle(library.find(name) if name else library.resolve(settings.model.bundle)[0])
    if as_json:
        say_json({**bundle.manifest, "path": str(bundle.path)}, indent=2)
    else:
        for key, value in _facts(bundle):
            say(f"{key:14}{value}")
    return 0


def install(path: Path, config: Path | None) -> int:
    """Take a bundle in."""
    library = Library(_folder(settings_of(config)), check=check_bundle)
    with _as_input():
        target, how = library.install(path)
    say(f"{_INSTALLED[how].format(target.name)} in {target}; use it with 'tocsin model activate {target.name}'")
    return 0


def activate(name: str, config: Path | None) -> int:
    """Use a bundle from the next start."""
    settings = settings_of(config)
    folder = _folder(settings)
    library = Library(folder, check=check_bundle)
    with _as_input():
        check_model(settings, open_bundle(library.find(name), EVENTS, check=check_bundle))
        path = library.activate(name)
    if library.resolve(settings.model.bundle)[0] == path:
        say(f"{path.name} is active in {folder}; {_RESTART}")
        return 0
    say(f"{path.name} is chosen in {folder}, but not active")
    warn(f"the configuration says model.bundle = {settings.model.bundle!r}, which goes before; remove that")
    return 0


def rollback(config: Path | None) -> int:
    """Use the bundle before."""
    settings = settings_of(config)
    folder = _folder(settings)
    path, changed = Library(folder).rollback()
    say(f"back to {path.name} in {folder}; {_RESTART if changed else 'it was before, so nothing changes'}")
    with contextlib.suppress(BundleError):  # then the run takes another one, and says so
        try:
            check_model(settings, read_bundle(path))
        except ConfigError as exc:
            warn(f"{exc}; without that the service will not start with {path.name}")
    return 0


def verify(names: list[str], config: Path | None) -> int:
    """Check bundles; the exit code is that of the last bad one."""
    library = Library(_folder(settings_of(config)))
    code = 0
    for path in [library.find(name) for name in names] or library.paths():
        try:
            bundle = verify_bundle(path, check=check_bundle)
        except BundleError as exc:
            warn(str(exc))
            code = exc.exit_code
        else:
            say(f"{bundle.id}@{bundle.version}: fine (sha256 {bundle.sha256[:12]}…, golden recording reproduced)")
    return code


def _folder(settings: Settings) -> Path:
    """Return the state folder; raises `Forbidden` where what is in it cannot be seen."""
    folder = folder_of(settings)
    if not may_read(folder):
        msg = "this user may not read the folder"
        raise Forbidden(msg, where=folder, remedy="use sudo, or name a folder of your own (STATE_DIRECTORY=…)")
    return folder


@contextlib.contextmanager
def _as_input() -> Iterator[None]:
    """Call a bundle that is given bad input, where the bundle of a configuration would be a bad configuration."""
    try:
        yield
    except ConfigError as exc:
        raise DataError(exc.what, where=exc.where, remedy=exc.remedy) from exc


def _facts(bundle: Bundle) -> list[tuple[str, Any]]:
    manifest = bundle.manifest
    thresholds = [f"{label} {values.get('on')}" for label, values in bundle.thresholds.items()]
    return [
        ("bundle", f"{bundle.id}@{bundle.version}"),
        ("path", bundle.path),
        ("sha256", bundle.sha256),
        ("labels", ", ".join(bundle.labels)),
        ("thresholds", ", ".join(thresholds) or "built in"),
        ("window", f"{bundle.params.window_s:.3f} s, {bundle.params.n_mels} mels, {bundle.params.sample_rate_hz} Hz"),
        ("network", f"streaming, state of {bundle.state_size} numbers" if bundle.streaming else "window"),
        ("created", manifest.get("created", "not said")),
        ("trained on", manifest.get("training_data", "not said")),
        ("licence", manifest.get("licence", "not said")),
    ]
