"""`tocsin model`: display, installation and choice of bundles."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from edge.cli.common import find_state_folder, may_read, print_json, print_table, print_text, read_settings, warn
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
    "replaced": "replaced the damaged {}",
    "kept": "{} is already installed",
}
_RESTART = "restart the service for it (systemctl restart tocsin)"


def print_bundles(config: Path | None, *, as_json: bool) -> int:
    """Print every bundle."""
    settings = read_settings(config)
    folder = _find_folder(settings)
    entries = Library(folder).describe_bundles(settings.model.bundle)
    if as_json:
        print_json(entries, indent=2)
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
    print_table(("", "bundle", "from", "what"), rows)
    print_text(f"state folder {folder}")
    return 0


def print_bundle(name: str | None, config: Path | None, *, as_json: bool) -> int:
    """Print the manifest of a bundle."""
    settings = read_settings(config)
    library = Library(_find_folder(settings))
    bundle = read_bundle(library.find(name) if name else library.resolve(settings.model.bundle)[0])
    if as_json:
        print_json({**bundle.manifest, "path": str(bundle.path)}, indent=2)
    else:
        for key, value in _list_facts(bundle):
            print_text(f"{key:14}{value}")
    return 0


def install(path: Path, config: Path | None) -> int:
    """Install a bundle."""
    library = Library(_find_folder(read_settings(config)), check=check_bundle)
    with _convert_errors():
        target, how = library.install(path)
    print_text(f"{_INSTALLED[how].format(target.name)} in {target}; use it with 'tocsin model activate {target.name}'")
    return 0


def activate(name: str, config: Path | None) -> int:
    """Use a bundle from the next start."""
    settings = read_settings(config)
    folder = _find_folder(settings)
    library = Library(folder, check=check_bundle)
    with _convert_errors():
        check_model(settings, open_bundle(library.find(name), EVENTS, check=check_bundle))
        path = library.activate(name)
    if library.resolve(settings.model.bundle)[0] == path:
        print_text(f"{path.name} is active in {folder}; {_RESTART}")
        return 0
    print_text(f"{path.name} is chosen in {folder}, but not active")
    warn(f"the configuration says model.bundle = {settings.model.bundle!r}, which takes precedence; remove it")
    return 0


def roll_back(config: Path | None) -> int:
    """Go back to the previous bundle."""
    settings = read_settings(config)
    folder = _find_folder(settings)
    path, changed = Library(folder).roll_back()
    print_text(f"back to {path.name} in {folder}; {_RESTART if changed else 'it was before, so nothing changes'}")
    with contextlib.suppress(BundleError):  # then the run uses another one and logs it
        try:
            check_model(settings, read_bundle(path))
        except ConfigError as exc:
            warn(f"{exc}; without that the service will not start with {path.name}")
    return 0


def verify(names: list[str], config: Path | None) -> int:
    """Check bundles; return the exit code of the last bad one."""
    library = Library(_find_folder(read_settings(config)))
    code = 0
    for path in [library.find(name) for name in names] or library.list_paths():
        try:
            bundle = verify_bundle(path, check=check_bundle)
        except BundleError as exc:
            warn(str(exc))
            code = exc.exit_code
        else:
            print_text(
                f"{bundle.id}@{bundle.version}: fine (sha256 {bundle.sha256[:12]}…, golden recording reproduced)"
            )
    return code


def _find_folder(settings: Settings) -> Path:
    """Return the state folder; raises `Forbidden` if it may not be read."""
    folder = find_state_folder(settings)
    if not may_read(folder):
        msg = "this user may not read the folder"
        raise Forbidden(msg, where=folder, remedy="use sudo, or name a folder of your own (STATE_DIRECTORY=…)")
    return folder


@contextlib.contextmanager
def _convert_errors() -> Iterator[None]:
    """Turn `ConfigError` into `DataError`: here the bundle is the input."""
    try:
        yield
    except ConfigError as exc:
        raise DataError(exc.what, where=exc.where, remedy=exc.remedy) from exc


def _list_facts(bundle: Bundle) -> list[tuple[str, Any]]:
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
        ("created", manifest.get("created", "unknown")),
        ("trained on", manifest.get("training_data", "unknown")),
        ("licence", manifest.get("licence", "unknown")),
    ]
