"""`tocsin model`: the bundles on this device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edge.cli.common import folder_of, say, say_json, say_table, settings_of, warn
from edge.errors import BundleError, DataError
from edge.inference.bundle import read_bundle
from edge.inference.library import Library, verify_bundle

if TYPE_CHECKING:
    from pathlib import Path

    from edge.inference.bundle import Bundle

_INSTALLED = {
    "new": "installed {}",
    "mended": "installed {} anew, as the one there was damaged,",
    "kept": "{} is there already",
}
_RESTART = "restart the service for it (systemctl restart tocsin)"


def show_all(config: Path | None, *, as_json: bool) -> int:
    """Print every bundle."""
    settings = settings_of(config)
    entries = Library(folder_of(settings)).entries(settings.model.bundle)
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
    return 0


def info(name: str | None, config: Path | None, *, as_json: bool) -> int:
    """Print what a bundle's manifest says."""
    settings = settings_of(config)
    library = Library(folder_of(settings))
    bundle = read_bundle(library.find(name) if name else library.resolve(settings.model.bundle)[0])
    if as_json:
        say_json({**bundle.manifest, "path": str(bundle.path)}, indent=2)
    else:
        for key, value in _facts(bundle):
            say(f"{key:14}{value}")
    return 0


def install(path: Path, config: Path | None) -> int:
    """Take a bundle in."""
    library = Library(folder_of(settings_of(config)))
    try:
        target, how = library.install(path)
    except BundleError as exc:  # here a bad bundle is bad input, not a bad configuration
        raise DataError(str(exc)) from exc
    say(f"{_INSTALLED[how].format(target.name)} in {target}; use it with 'tocsin model activate {target.name}'")
    return 0


def activate(name: str, config: Path | None) -> int:
    """Use a bundle from the next start."""
    settings = settings_of(config)
    library = Library(folder_of(settings))
    path = library.activate(name)
    say(f"{path.name} is active; {_RESTART}")
    if library.resolve(settings.model.bundle)[0] != path:
        warn(f"the configuration says model.bundle = {settings.model.bundle!r}, which goes before; remove that line")
    return 0


def rollback(config: Path | None) -> int:
    """Use the bundle before."""
    path = Library(folder_of(settings_of(config))).rollback()
    say(f"back to {path.name}; {_RESTART}")
    return 0


def verify(names: list[str], config: Path | None) -> int:
    """Check bundles; the exit code is that of the last bad one."""
    library = Library(folder_of(settings_of(config)))
    code = 0
    for path in [library.find(name) for name in names] or library.paths():
        try:
            bundle = verify_bundle(path)
        except BundleError as exc:
            warn(str(exc))
            code = exc.exit_code
        else:
            say(f"{bundle.id}@{bundle.version}: fine (sha256 {bundle.sha256[:12]}…, golden recording reproduced)")
    return code


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
