"""The model card of a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.inference.bundle import STREAMING
from training.measure.evaluation import ALLOWED_LASTING, ALLOWED_SHORT, PRIOR
from training.report.tables import tabulate_brief

if TYPE_CHECKING:
    from collections.abc import Mapping

    from training.checkpoint import Checkpoint

_CARD = """# {id} {version}

A network of {parameters:,} parameters that {listens}.
Made on {created} in {steps:,} training steps. It hears {labels}.

## What it was trained on

{training_data}

Terms: {licence}

## How good it is

Counted on recordings that neither training nor calibration touched: parts are divided by recording and by
uploader{kept}. A clip's score is the generalised mean, of power 1/2, of its windows' odds.
*By recording* weighs every recording the same, however many clips were cut from it. *Precision*, *recall* and *F1*
are those of clips with at least one window at or above the label's threshold `on`. *False alarms/h* counts, on
ambience ({ambience_hours} h for a label that is not ambience itself), groups of such windows more than a second
apart; the service also smooths and waits, so it raises fewer.

{table}

## Scores and thresholds

A score is the probability that the sound is in the window, where a share {prior:g} of the windows holds it (Platt
scaling of the logits on the validation part). Where the sound is rarer than that, most places most of the time, a
score says too much. The thresholds let {short:.1%} of the validation windows without the sound through for short sounds
({impulsive}), where one window decides, and {lasting:.1%} for lasting ones, within bounds:

{thresholds}

{notes}

## Make it again

    python -m training train --config {recipe} --data FOLDER --out runs/{name}
    python -m export bundle runs/{name}/last.pt {said} --data FOLDER --out {folder}
"""
_WINDOWS = "listens to windows of {window_s:.2f} s, {decisions:g} times a second"
_STREAM = "listens as the sound arrives, decides {decisions:g} times a second, and was taught on {window_s:.2f} s"
_HOUSE = {
    "recipe": "training/recipes/{name}.toml",
    "said": "--about export/about/{name}.toml",
    "folder": "edge/models/{name}",
}
_KEPT = ", and some corpora are kept for this count as a whole"
_STRANGER = {"recipe": "RECIPE.toml", "said": "--id {name}", "folder": "{name}"}
_ABOUT = Path(__file__).parents[1] / "about"


def render_model_card(manifest: Mapping[str, Any], checkpoint: Checkpoint, notes: str) -> str:
    """Return the card of a bundle as Markdown."""
    params, figures, name = checkpoint.params, manifest["measured"], manifest["id"]
    listens = _STREAM if manifest["network"] == STREAMING else _WINDOWS
    again = _HOUSE if (_ABOUT / f"{name}.toml").exists() else _STRANGER
    ambience = max((values["ambience_hours"] or 0.0 for values in figures.values()), default=0.0)
    return _CARD.format(
        id=name,
        version=manifest["version"],
        parameters=sum(weight.numel() for weight in checkpoint.model.parameters()),
        labels=", ".join(manifest["labels"]),
        listens=listens.format(window_s=params.window_s, decisions=params.frames_per_s / params.decision_frames),
        created=manifest["created"],
        steps=checkpoint.step,
        training_data=manifest["training_data"],
        licence=manifest["licence"],
        ambience_hours=round(ambience, 2),
        table=tabulate_brief(figures).to_markdown(),
        prior=PRIOR,
        short=ALLOWED_SHORT,
        lasting=ALLOWED_LASTING,
        impulsive=", ".join(sorted(checkpoint.config.data.impulsive)) or "none here",
        kept=_KEPT if checkpoint.config.data.test_corpora else "",
        thresholds=", ".join(f"{label} {pair['on']:.2f}" for label, pair in manifest["thresholds"].items()),
        notes=notes.strip(),
        name=name,
        **{key: text.format(name=name) for key, text in again.items()},
    )
