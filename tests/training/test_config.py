"""Settings from TOML and `--set`."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.errors import ConfigError, TocsinError, UsageError
from training.config import Config, Stage, config_from_dict, load_config

RECIPES = sorted((Path(__file__).parents[2] / "training" / "recipes").glob("*.toml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_is_read_and_survives_a_checkpoint(path: Path) -> None:
    """A recipe becomes settings, and those become the same settings again after plain values."""
    config = load_config(path)
    assert config.model.stages
    assert config_from_dict(config.to_dict()) == config


def test_an_empty_config_has_the_defaults() -> None:
    """Without a file and overrides every value is its default."""
    assert load_config(None) == Config()


def test_overrides_win(tmp_path: Path) -> None:
    """`--set` lies over the file; bare words are strings."""
    file = tmp_path / "a.toml"
    file.write_text("[train]\nsteps = 5\nbatch = 7\n", encoding="utf-8")
    config = load_config(file, ["train.steps=9", "model.name=mobilenet", "augment.snr_db=[0, 5]"])
    assert (config.train.steps, config.train.batch, config.model.name) == (9, 7, "mobilenet")
    assert config.augment.snr_db == (0.0, 5.0)


def test_a_stage_is_a_record() -> None:
    """Rows of an architecture's table are checked like everything else."""
    stages = config_from_dict({"model": {"stages": [{"channels": 8, "stride_time": 2}]}}).model.stages
    assert stages == (Stage(channels=8, stride_time=2),)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"train": {"step": 1}}, "train.step"),
        ({"train": {"steps": "many"}}, "train.steps"),
        ({"train": {"steps": True}}, "train.steps"),
        ({"train": 3}, "train"),
        ({"augment": {"snr_db": [1.0]}}, "augment.snr_db"),
        ({"model": {"stages": [{"width": 1}]}}, "model.stages.width"),
        ({"model": {"stages": [{"repeats": 1}]}}, "model.stages.channels is missing"),
        ({"model": {"stages": [{"channels": 8, "stride_mel": 0}]}}, "model.stages: .*at least 1"),
        ({"model": {"stem": 0}}, "model.stem: 0 must be at least 1"),
        ({"model": {"dropout": 1.5}}, "model.dropout: 1.5 must be from 0 to 1"),
        ({"train": {"lr": -1.0}}, "train.lr: -1.0 must be at least 0"),
        ({"claps": {"crops": 0}}, "claps.crops: 0 must be at least 1"),
    ],
)
def test_what_does_not_fit_is_named(values: dict[str, object], named: str) -> None:
    """An unknown key or a wrong value is an error with its key."""
    with pytest.raises(ConfigError, match=named):
        config_from_dict(values)


@pytest.mark.parametrize(
    ("override", "error", "said"),
    [
        ("train.steps", UsageError, "key=value"),
        ("train.steps=x", ConfigError, "train.steps"),
        ("train.steps.most=1", UsageError, "steps is not a table"),
    ],
)
def test_a_bad_override_is_refused(override: str, error: type[TocsinError], said: str) -> None:
    """An override without a value, or with one that does not fit, is an error."""
    with pytest.raises(error, match=said):
        load_config(None, ["train.steps=5", override])


@pytest.mark.parametrize("content", [b"train = [", b'[train]\ninit = "\xff"\n'])
def test_a_file_that_is_not_toml_is_named(tmp_path: Path, content: bytes) -> None:
    """The message names the file, in any encoding."""
    (tmp_path / "bad.toml").write_bytes(content)
    with pytest.raises(ConfigError, match=r"bad\.toml: the file is not valid TOML"):
        load_config(tmp_path / "bad.toml")
