"""What stands behind the commands: which clips a run sees, folds, the ablation, reports, and where a run begins."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from edge.errors import ConfigError
from edge.frontend.params import FrontEndParams
from tests.support.recordings import LABELS, made_up
from training.__main__ import main
from training.checkpoint import load_checkpoint
from training.config import Config, DataConfig, ModelConfig, Stage
from training.data.features import FeatureStore
from training.data.manifest import Clip
from training.data.material import _finely_labelled, clips_of, front_end, open_recordings
from training.learn.distillation import teacher_of

RECIPE = Path(__file__).parents[2] / "support" / "small.toml"
THREE = 'data.classes={background=["background"], clap=["clap", "siren"], gunshot=["gunshot"]}'
QUICK = ["--set", "train.steps=4", "--set", "train.validate_every=4"]


@pytest.fixture(name="data", scope="module")
def _data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return made-up recordings of two corpora, the second with folds and labels of its own."""
    folder = made_up(tmp_path_factory.mktemp("data"))
    path = folder / "manifest.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    rows += [row | {"group": f"again {row['group']}"} for row in rows]
    for number, row in enumerate(rows):
        first = number < len(rows) // 2
        row |= {"corpus": "one" if first else "two", "fold": "" if first else str(number // 4 % 2 + 1)}
        row["fine"] = f"{row['class']} of {row['corpus']}"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


@pytest.fixture(name="places", scope="module")
def _places(data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return ["--data", str(data), "--cache", str(tmp_path_factory.mktemp("cache"))]


def config(**data: object) -> Config:
    """Return settings of which only these matter."""
    return Config(DataConfig(**data))  # type: ignore[arg-type]


def made_of(fine: str) -> Clip:
    return Clip(0, "0.wav", "", "c", "g", "", "", "0.wav", 1.0, fine=fine)


def test_a_run_may_be_of_one_corpus_and_its_own_labels(data: Path) -> None:
    """Clips of other corpora keep their row, which teachers count by, and lose their label."""
    clips = clips_of(data, config(only=("two",), fine=True))
    assert {clip.label for clip in clips if clip.corpus == "two"} == {f"{label} of two" for label in LABELS}
    assert {clip.label for clip in clips if clip.corpus == "one"} == {""}
    assert [clip.index for clip in clips] == list(range(len(clips)))


@pytest.mark.parametrize("name", ["only", "leave_out", "test_corpora"])
def test_a_corpus_that_is_not_there_is_named(name: str, data: Path) -> None:
    """A typing mistake must not train on nothing, nor on what was to be kept apart."""
    with pytest.raises(ConfigError, match=rf"data\.{name}: .* has no corpus 'three'"):
        clips_of(data, config(**{name: ("one", "three")}))


def test_a_clip_of_several_own_labels_has_them_all() -> None:
    """They are parted as classes are."""
    clip = dataclasses.replace(made_of("Bark;Dog"), label="dog")
    assert _finely_labelled(clip).labels == ("Bark", "Dog")
    assert _finely_labelled(made_of("")).labels == ()


def test_no_seeds_are_refused(places: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An ablation of no runs would print an empty table."""
    command = ["ablate", "--config", str(RECIPE), "--out", str(tmp_path), "--seeds", "0", *places]
    assert main(command) == 64
    assert "--seeds: 0" in capsys.readouterr().err


def test_who_ends_a_command_sees_no_traceback(
    places: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outside of a run, whose state is kept, SIGINT is the status that a shell gives it."""

    def ended(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("training.learn.engine.train", ended)
    assert main(["train", "--config", str(RECIPE), "--out", str(tmp_path), *places]) == 130


def test_the_front_end_follows_the_network() -> None:
    """A streaming network decides as often as its strides say, all others as the service does by default."""
    stages = (Stage(8, 1, 2, 2), Stage(8, 1, 2, 2))
    assert front_end(Config(model=ModelConfig(name="streamnet", stages=stages))).decision_frames == 16
    assert front_end(Config(model=ModelConfig(name="resnet", stages=stages))) == FrontEndParams()


def test_strides_that_do_not_fit_the_window_are_refused() -> None:
    """A decision in the middle of nowhere would never hear the newest frames of a window."""
    with pytest.raises(ConfigError, match="20 frames between decisions do not divide a window of 96"):
        front_end(Config(model=ModelConfig(name="streamnet", stages=(Stage(8, 1, 5, 2),))))


def test_features_are_shared_between_decision_rates(data: Path, tmp_path: Path) -> None:
    """How often a network decides changes no frame, so nothing is computed again."""
    for frames in (8, 16):
        open_recordings(data, tmp_path, Config(), FrontEndParams(decision_frames=frames))
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("division", [["--folds", "2"], ["--corpora", "2"], ["--published", "two"]])
def test_folds_are_trained_measured_and_reported(
    data: Path, places: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], division: list[str]
) -> None:
    """Every clip is scored by a network that did not hear it, and a second call trains nothing."""
    behind = ["--set", f"data.background={list(LABELS)}"]
    command = ["kfold", "--config", str(RECIPE), "--out", str(tmp_path), *QUICK, *behind, *division, *places]
    assert main(command) == 0
    figures = json.loads((tmp_path / "figures.json").read_text("utf-8"))
    count = 32 if division[0] == "--published" else 64
    assert sum(fold["clips"] for fold in figures["folds"]) == figures["summary"]["clips"] == count
    assert len(figures["folds"]) == 2
    assert "siren" in capsys.readouterr().out
    assert "<html" in (tmp_path / "report.html").read_text("utf-8")
    before = (tmp_path / "fold-1" / "last.pt").stat().st_mtime_ns
    assert main(command) == 0
    assert (tmp_path / "fold-1" / "last.pt").stat().st_mtime_ns == before


def test_an_ablation_names_what_it_left_out(
    places: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The table has the recipe and the one without what was asked for."""
    command = ["ablate", "--config", str(RECIPE), "--out", str(tmp_path), "--without", "mixup", *QUICK, *places]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert "recipe" in out
    assert "mixup" in out


def test_a_run_begins_with_the_weights_of_another(data: Path, places: list[str], tmp_path: Path) -> None:
    """All weights that fit are taken; with other labels all but the last layer, and a stranger's network is refused."""
    train = ["train", "--config", str(RECIPE), *QUICK, *places]
    assert main([*train, "--out", str(tmp_path / "first")]) == 0
    first = tmp_path / "first" / "last.pt"
    tiny = ["--set", "train.lr=1e-9", "--set", "train.ema_decay=0.0", "--set", f"train.init={first}"]
    assert main([*train, "--out", str(tmp_path / "then"), *tiny, "--set", THREE]) == 0
    have = load_checkpoint(first).model.state_dict()
    now = load_checkpoint(tmp_path / "then" / "last.pt").model.state_dict()
    kernels = [name for name, value in have.items() if value.ndim > 1]
    same = [name for name in kernels if have[name].shape == now[name].shape]
    assert len(kernels) - len(same) == 1
    assert all(torch.allclose(have[name], now[name], atol=1e-5) for name in same)
    wide = ["--set", "model.stem=5", "--set", "model.stages=[]", "--set", "model.head=7"]
    assert main([*train, "--out", str(tmp_path / "no"), *tiny, *wide, "--set", "model.name=sp4sc"]) == 78


def test_a_report_is_made_of_a_checkpoint(places: list[str], tmp_path: Path) -> None:
    """The page and its figures lie in the folder, and the page asks for nothing from outside."""
    train = ["train", "--config", str(RECIPE), "--out", str(tmp_path), *QUICK, *places]
    assert main(train) == 0
    assert main(["report", str(tmp_path / "last.pt"), str(tmp_path / "report"), *places]) == 0
    page = (tmp_path / "report" / "report.html").read_text("utf-8")
    assert 'src="http' not in page
    assert json.loads((tmp_path / "report" / "figures.json").read_text("utf-8"))["summary"]["clips"] > 0


def test_a_network_learns_from_another(data: Path, places: list[str], tmp_path: Path) -> None:
    """The pupil of another shape is trained on what the teacher says; a teacher of other labels is refused."""
    train = ["--config", str(RECIPE), *QUICK, *places]
    assert main(["train", *train, "--out", str(tmp_path / "first")]) == 0
    teacher = ["--teacher", str(tmp_path / "first" / "last.pt"), "--out", str(tmp_path / "pupil")]
    assert main(["distil", *train, *teacher, "--set", "model.head=8"]) == 0
    assert load_checkpoint(tmp_path / "pupil" / "last.pt").labels == LABELS
    assert main(["distil", *train, *teacher, "--set", THREE]) == 65


def test_a_teacher_says_what_it_hears_second_by_second(data: Path, places: list[str], tmp_path: Path) -> None:
    """A row for every window of 2 s, a second apart, of the decision at its end; one for a shorter clip."""
    assert main(["train", "--config", str(RECIPE), *QUICK, *places, "--out", str(tmp_path)]) == 0
    checkpoint = load_checkpoint(tmp_path / "last.pt")
    frames = [64, 128, 200, 640]
    rng = np.random.default_rng(1)
    whole = rng.normal(size=(sum(frames), checkpoint.params.n_mels)).astype(np.float16)
    store = FeatureStore(whole, np.cumsum([0, *frames]), checkpoint.params)
    clips = [Clip(n, "", "siren", "c", str(n), "", "", "", 1.0) for n in range(len(frames))]
    teacher = teacher_of(checkpoint, clips, store)
    assert np.diff(teacher.offsets).tolist() == [1, 1, 2, 9]
    last = torch.sigmoid(checkpoint.model(torch.from_numpy(store.of(clips[1])[None, 128 - 96 :])))
    assert torch.allclose(teacher.scores[1] / 255, last[0], atol=1 / 255)
