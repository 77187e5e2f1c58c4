"""Recordings of claps become a checkpoint, figures, a bundle, and verdicts on a device."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from edge.claps.bundle import check_clap_bundle
from edge.claps.confirm import confirm
from edge.claps.crop import BEFORE_SAMPLES, CLAP_FRONT_END
from edge.inference.bundle import CLAPS, read_bundle
from edge.inference.onnx import OnnxClassifier
from export.__main__ import main as export_main
from export.bundle.clapcrops import make_graded_claps
from tests.support.claps import OTHERS, TAKES, clap_recordings, row_of_claps, tone_burst
from training.__main__ import main as training_main
from training.checkpoint import load_checkpoint
from training.claps.augment import augment_crops
from training.claps.learn import predict
from training.config import ClapsConfig
from training.data.clap_takes import make_take
from training.sound.clap_scenes import cut_crops, detect_onsets

if TYPE_CHECKING:
    from edge.claps.onsets import Onset

RECIPE = Path(__file__).parents[3] / "training" / "recipes" / "claps.toml"
ABOUT = 'id = "few"\nversion = "1"\ntraining_data = "a few claps"\nlicence = "none"\nnotes = "for a test"\n'
SETTINGS = (
    'claps.people={ hands = "even" }',
    'claps.others=["strangers"]',
    'claps.background=["alarm"]',
    "claps.crops=150",
    "claps.other_crops=150",
    "claps.hard_every=30",
    "claps.fold=1",
    "model.stem=8",
    "train.steps=60",
    "train.batch=48",
    "train.lr=0.005",
    "train.warmup_steps=5",
    "train.ema_decay=0.9",
)


def settings(*more: str) -> list[str]:
    return [part for item in (*SETTINGS, *more) for part in ("--set", item)]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train for a moment; return a folder with `data`, `cache`, `out/last.pt`, `about.toml` and `bundle`."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "data").mkdir()
    clap_recordings(folder / "data")
    (folder / "about.toml").write_text(ABOUT, encoding="utf-8")
    data = ["--data", str(folder / "data")]
    places = [*data, "--cache", str(folder / "cache"), "--out", str(folder / "out")]
    assert training_main(["claps", "--config", str(RECIPE), *settings(), *places]) == 0
    more = ["--about", str(folder / "about.toml"), "--out", str(folder / "bundle"), *data]
    assert export_main(["claps", str(folder / "out" / "last.pt"), *more]) == 0
    return folder


def test_the_checkpoint_rebuilds_the_network(run: Path) -> None:
    """The file alone has the architecture, the front end, the label and the step."""
    checkpoint = load_checkpoint(run / "out" / "last.pt")
    assert (checkpoint.labels, checkpoint.params, checkpoint.step) == (("clap",), CLAP_FRONT_END, 60)
    assert checkpoint.config.claps.people == {"hands": "even"}
    assert checkpoint.model(torch.zeros(3, 40, 32)).shape == (3, 1)


def test_claps_and_tones_are_distinguished(run: Path) -> None:
    """Claps of new hands score higher than new tones."""
    rng = np.random.default_rng(77)
    model = load_checkpoint(run / "out" / "last.pt").model
    claps = [crop for _ in range(5) for crop in cut_crops(row_of_claps(rng, (0.5, 1.0)))[1]]
    tones = [crop for _ in range(5) for crop in cut_crops(tone_burst(rng))[1]]
    assert np.median(predict(model, np.array(claps))) > 0.5 > np.median(predict(model, np.array(tones)))


def test_the_same_seed_gives_the_same_network_from_kept_crops(run: Path) -> None:
    """A second run uses the cached crops and ends with the same weights; another seed ends with others."""
    kept = {path: path.stat().st_mtime_ns for path in (run / "cache").rglob("*.npy")}
    places = ["--data", str(run / "data"), "--cache", str(run / "cache"), "--out", str(run / "again")]
    assert training_main(["claps", "--config", str(RECIPE), *settings(), *places]) == 0
    assert {path: path.stat().st_mtime_ns for path in (run / "cache").rglob("*.npy")} == kept
    first, second = (load_checkpoint(run / name / "last.pt").model.state_dict() for name in ("out", "again"))
    assert all(torch.equal(weights, second[name]) for name, weights in first.items())


@pytest.mark.parametrize("change", ["claps.fold=2", "train.seed=4", "claps.crops=20", 'claps.people={ hands = "all" }'])
def test_another_recipe_makes_other_crops(change: str, run: Path, tmp_path: Path) -> None:
    """The cache's name depends on everything that the crops depend on."""
    before = set((run / "cache").iterdir())
    places = ["--data", str(run / "data"), "--cache", str(run / "cache"), "--out", str(tmp_path)]
    changed = settings("claps.crops=30", "claps.other_crops=30", "train.steps=1", change)
    assert training_main(["claps", "--config", str(RECIPE), *changed, *places]) == 0
    assert len(set((run / "cache").iterdir()) - before) == 1


def test_figures_are_of_what_training_did_not_see(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Odd takes of the trained person, all of the stranger, and the tones of the fold alone; printed and as JSON."""
    arguments = [str(run / "out" / "last.pt"), "--data", str(run / "data"), "--json", str(run / "figures.json")]
    assert training_main(["claps-evaluate", *arguments]) == 0
    figures = json.loads((run / "figures.json").read_text("utf-8"))
    printed = capsys.readouterr().out
    assert {name: count["takes"] for name, count in figures["claps"].items()} == {"hands": TAKES // 2, "strangers": 3}
    assert [count["claps"] for count in figures["claps"].values()] == [TAKES, 6]
    assert 0 < figures["others"]["all"]["recordings"] < OTHERS / 2
    assert figures["others"]["all"]["onsets"] >= figures["others"]["all"]["recordings"]
    assert "| strangers | 3 | 6 |" in printed
    assert printed.splitlines()[-1].startswith("| all |")


def test_the_bundle_confirms_claps_on_a_device(run: Path) -> None:
    """The service's own reader takes it, its golden replay passes, and it believes a clap and no tone."""
    bundle = read_bundle(run / "bundle")
    check_clap_bundle(bundle)
    network, rng = OnnxClassifier(bundle), np.random.default_rng(78)
    assert bundle.task == CLAPS
    assert bundle.thresholds["clap"]["on"] == load_checkpoint(run / "out" / "last.pt").config.claps.on

    def evaluate(sound: np.ndarray, onset: Onset) -> float:
        samples = sound[onset.at - BEFORE_SAMPLES :][: CLAP_FRONT_END.window_samples]
        return confirm(onset, samples, network).probability

    claps, _ = make_take(row_of_claps(rng, (0.5, 1.0)), 0)
    tone = tone_burst(rng)
    assert min(evaluate(claps, onset) for onset in detect_onsets(claps)) > max(
        evaluate(tone, o) for o in detect_onsets(tone)
    )


def test_the_forms_are_compared_where_they_could_differ(run: Path) -> None:
    """Of the crops that an export is checked by, some are claps to the network and some are not."""
    chances = predict(load_checkpoint(run / "out" / "last.pt").model, make_graded_claps())
    assert chances.min() < 0.2
    assert chances.max() > 0.8


def test_the_bundle_has_the_figures(run: Path) -> None:
    """Manifest and card have the same figures, the training data, and the commands to make it."""
    bundle, card = read_bundle(run / "bundle"), (run / "bundle" / "MODEL_CARD.md").read_text("utf-8")
    strangers = bundle.manifest["measured"]["clap"]["claps"]["strangers"]
    line = " | ".join(str(strangers[key]) for key in ("takes", "claps", "onsets", "confirmed", "recall"))
    assert f"| strangers | {line} |" in card
    assert "even of `hands`" in card
    assert "fold 1 of five" in card
    assert "python -m training claps --config training/recipes/few.toml" in card


def test_verify_puts_the_forms_side_by_side(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The checkpoint and its bundle agree."""
    assert export_main(["verify", str(run / "out" / "last.pt"), str(run / "bundle")]) == 0
    assert "largest change of a probability: folded" in capsys.readouterr().out


def test_a_checkpoint_of_another_network_is_refused(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Figures of claps are not counted for a network with another front end."""
    values = torch.load(run / "out" / "last.pt", weights_only=True)
    values["frontend"]["offset"] = 7.0
    torch.save(values, tmp_path / "other.pt")
    assert training_main(["claps-evaluate", str(tmp_path / "other.pt"), "--data", str(run / "data")]) == 65
    assert "not a clap network" in capsys.readouterr().err


def test_augmentation_moves_an_onset_by_a_frame_at_most() -> None:
    """Without colour, hiss and masks the peak stays within a frame, in both directions, and keeps its height."""
    crops = torch.full((64, 40, 32), -1.0)
    crops[:, 8] = 1.0
    config = ClapsConfig(tilt_db=0.0, p_noise=0.0, mel_mask=0)
    changed = augment_crops(crops, config, torch.Generator().manual_seed(1))
    peak = changed.mean(dim=2).argmax(dim=1)
    assert set(peak.tolist()) == {7, 8, 9}
    assert changed.shape == crops.shape


def test_augmentation_is_drawn_from_its_generator_and_blanks_whole_bands() -> None:
    """The same seed gives the same batch, another one another, and some bands of some crops are silent."""
    crops = torch.full((64, 40, 32), 0.5)
    first, again, other = (augment_crops(crops, ClapsConfig(), torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    blank = (first == CLAP_FRONT_END.silence).all(dim=1).sum(dim=1)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert 0 < int(blank.max()) <= 2 * ClapsConfig().mel_mask
