"""Ablation: its variants, its results and its files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from edge.errors import DataError, UsageError
from training.config import AugmentConfig, Config, DataConfig
from training.learn.ablation import ablate, make_variants

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CONFIG = Config(data=DataConfig(copies=2))


def measure(seen: list[Config]) -> Callable[[Config], dict[str, float]]:
    """Return a fake training: a siren scores the chance of mixup, a horn has no recording."""

    def train_and_measure(config: Config) -> dict[str, float]:
        seen.append(config)
        return {"siren": config.augment.p_mixup + config.train.seed / 100, "horn": float("nan")}

    return train_and_measure


def test_every_augmentation_is_left_out_once_and_all_of_them_once() -> None:
    """The recipe, a variant for each chance and range that is on, and the bare one."""
    made = make_variants(CONFIG)
    assert next(iter(made)) == "recipe"
    assert list(made)[-1] == "bare"
    assert {"without mixup", "without gain", "without spec_augment", "without speed", "without copies"} < set(made)
    assert "without made" not in made
    assert len({str(config) for config in made.values()}) == len(made)


def test_a_variant_differs_from_the_recipe_in_its_augmentation_alone() -> None:
    """One setting is off, or the two of one augmentation; all else is the recipe's."""
    made = make_variants(CONFIG)
    assert made["recipe"] == CONFIG
    assert made["without mixup"].augment == AugmentConfig(p_mixup=0.0)
    assert made["without gain"].augment == AugmentConfig(gain_db=(0.0, 0.0))
    assert made["without spec_augment"].augment == AugmentConfig(mel_mask=0, time_mask=0)
    assert made["without copies"].data.copies == 0
    assert made["without copies"].augment == CONFIG.augment


def test_the_bare_recipe_does_nothing_to_a_recording() -> None:
    """Without all augmentations no chance, range or copy is left."""
    bare = make_variants(CONFIG)["bare"]
    assert set(make_variants(bare)) == {"recipe", "bare"}
    assert bare.train == CONFIG.train
    assert bare.model == CONFIG.model


def test_some_may_be_chosen_and_unknown_ones_are_named() -> None:
    """`without` takes names of augmentations in the recipe, and an error lists them."""
    assert list(make_variants(CONFIG, ["mixup", "gain"])) == ["recipe", "without mixup", "without gain", "bare"]
    with pytest.raises(UsageError, match=r"no augmentation 'mixdown'; did you mean 'mixup'"):
        make_variants(CONFIG, ["mixdown"])


def test_every_variant_is_measured_with_every_seed(tmp_path: Path) -> None:
    """A seed goes through all variants before the next one begins."""
    seen: list[Config] = []
    results = ablate(measure(seen), make_variants(CONFIG, ["mixup"]), (3, 4), tmp_path, str)
    assert [(config.train.seed, config.augment.p_mixup) for config in seen] == [
        (seed, chance) for seed in (3, 4) for chance in (0.3, 0.0, 0.0)
    ]
    assert results["without mixup"] == {"3": {"siren": 0.03, "horn": None}, "4": {"siren": 0.04, "horn": None}}
    assert json.loads((tmp_path / "ablation.json").read_text("utf-8"))["results"] == results
    assert (tmp_path / "ablation.md").read_text("utf-8") == f"{results}\n"
    assert not list(tmp_path.glob("ablation.[0-9]*"))


def test_an_interrupted_ablation_is_resumed(tmp_path: Path) -> None:
    """Known results are not trained again; more seeds and variants are added."""

    def fail_at_the_second(config: Config) -> dict[str, float]:
        if seen:
            raise KeyboardInterrupt
        return measure(seen)(config)

    seen: list[Config] = []
    with pytest.raises(KeyboardInterrupt):
        ablate(fail_at_the_second, make_variants(CONFIG, ["mixup"]), (3,), tmp_path, str)
    again: list[Config] = []
    ablate(measure(again), make_variants(CONFIG, ["mixup"]), (3,), tmp_path, str)
    assert len(again) == 2
    more: list[Config] = []
    results = ablate(measure(more), make_variants(CONFIG, ["gain"]), (3,), tmp_path, str)
    assert len(more) == 1
    assert set(results) == {"recipe", "without mixup", "without gain", "bare"}


def test_results_of_another_recipe_are_not_taken(tmp_path: Path) -> None:
    """Other settings, or a file of something else, are an error that names the file."""
    ablate(measure([]), make_variants(CONFIG, ["mixup"]), (3,), tmp_path, str)
    with pytest.raises(DataError, match=r"ablation.json: 'recipe' was measured with other settings"):
        ablate(measure([]), make_variants(Config(), ["mixup"]), (3,), tmp_path, str)
    (tmp_path / "ablation.json").write_text("[]", encoding="utf-8")
    with pytest.raises(DataError, match=r"ablation.json: the file does not hold the results"):
        ablate(measure([]), make_variants(CONFIG), (3,), tmp_path, str)
