"""Ablation of augmentations: the recipe, without one of them each, and without any."""

from __future__ import annotations

import dataclasses
import json
import logging
import math
import os
from typing import TYPE_CHECKING, Any

from edge.errors import DataError, UsageError, suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from training.config import Config

    Measure = Callable[[Config], Mapping[str, float]]
    Results = dict[str, dict[str, dict[str, float | None]]]

log = logging.getLogger(__name__)

RECIPE, BARE = "recipe", "bare"
_DETAILS = {"snr_db", "tilt_db", "mel_stripes", "time_stripes"}
"""Settings of an augmentation that another setting, its chance, turns off."""
_TOGETHER = {"mel_mask": "spec_augment", "time_mask": "spec_augment"}
"""Settings that belong to one published augmentation."""
_MADE_BEFORE = ("copies", "made")
"""Augmentations of `data`, computed before a run."""


def make_variants(config: Config, without: Iterable[str] = ()) -> dict[str, Config]:
    """Return the recipe, a copy without each augmentation, and one without any, by name.

    `without` selects the augmentations that are left out one by one; empty means all. Raises `UsageError` for a name
    that the recipe does not have.
    """
    parts = _find_augmentations(config)
    chosen = tuple(without) or tuple(parts)
    if unknown := [name for name in chosen if name not in parts]:
        msg = f"the recipe has no augmentation {unknown[0]!r}"
        raise UsageError(msg, where="ablation", remedy=suggest(unknown[0], list(parts)))
    single = {f"without {name}": _turn_off(config, [name], parts) for name in chosen}
    return {RECIPE: config, **single, BARE: _turn_off(config, parts, parts)}


def _find_augmentations(config: Config) -> dict[str, list[tuple[str, str]]]:
    """Return the settings, as section and key, that turn each augmentation off.

    Augmentations that are off already are left out.
    """
    parts: dict[str, list[tuple[str, str]]] = {}
    keys = [("augment", field.name) for field in dataclasses.fields(config.augment) if field.name not in _DETAILS]
    for section, key in [*keys, *(("data", key) for key in _MADE_BEFORE)]:
        value = getattr(getattr(config, section), key)
        if value != _get_off_value(value):
            parts.setdefault(_TOGETHER.get(key, key.removeprefix("p_").removesuffix("_db")), []).append((section, key))
    return parts


def _get_off_value(value: Any) -> Any:  # noqa: ANN401 - a setting of any type
    """Return the value of a chance, count or range that changes nothing."""
    return tuple(_get_off_value(item) for item in value) if isinstance(value, tuple) else type(value)()


def _turn_off(config: Config, names: Iterable[str], parts: Mapping[str, list[tuple[str, str]]]) -> Config:
    for section, key in [place for name in names for place in parts[name]]:
        record = getattr(config, section)
        quiet = dataclasses.replace(record, **{key: _get_off_value(getattr(record, key))})
        config = dataclasses.replace(config, **{section: quiet})
    return config


def ablate(
    train_and_measure: Measure,
    configs: Mapping[str, Config],
    seeds: Sequence[int],
    out: Path,
    tabulate: Callable[[Results], str],
) -> Results:
    """Measure every variant with every seed.

    `train_and_measure` trains the network of a config and returns each label's average precision on the validation
    part, NaN without a recording. The result is average precisions by variant, seed and label. `out`/ablation.json and,
    by `tabulate`, `out`/ablation.md are written after each training, and their results are not trained again: an
    interrupted ablation is resumed. Raises `DataError` for results of other settings, `OSError` when a file cannot be
    written.
    """
    out.mkdir(parents=True, exist_ok=True)
    wanted = {name: json.loads(json.dumps(config.to_dict())) for name, config in configs.items()}
    settings, results = _read(out / "ablation.json", wanted)
    # seed by seed, so that an interrupted ablation can compare all variants
    for seed in seeds:
        for name, config in configs.items():
            if str(seed) in results.get(name, {}):
                continue
            log.info("%s, seed %d", name, seed)
            run = dataclasses.replace(config, train=dataclasses.replace(config.train, seed=seed))
            measured = {
                label: None if math.isnan(value) else float(value) for label, value in train_and_measure(run).items()
            }
            results.setdefault(name, {})[str(seed)] = measured
            _write(out / "ablation.json", json.dumps({"settings": settings, "results": results}, indent=1))
            _write(out / "ablation.md", tabulate(results))
    return results


def _read(path: Path, wanted: dict[str, Any]) -> tuple[dict[str, Any], Results]:
    """Return the settings of all variants, and the results so far."""
    if not path.exists():
        return wanted, {}
    try:
        have = json.loads(path.read_text("utf-8"))
        known, results = dict(have["settings"]), dict(have["results"])
    except (ValueError, KeyError, TypeError) as exc:
        msg = "the file does not hold the results of an ablation"
        raise DataError(msg, where=path, remedy="move it away or give another folder") from exc
    if other := [name for name in known if name in wanted and known[name] != wanted[name]]:
        msg = f"{other[0]!r} was measured with other settings"
        raise DataError(msg, where=path, remedy="move the file away or give another folder")
    return known | wanted, results


def _write(path: Path, text: str) -> None:
    """Write a text file.

    The file is replaced as a whole, never left in part.
    """
    part = path.with_suffix(f".{os.getpid()}")
    part.write_text(text + "\n", encoding="utf-8")
    part.replace(path)
