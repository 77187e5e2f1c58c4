"""A report in a folder: figures.json, and report.html with pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.data.fit import fit_to_labels
from training.measure.figures import measure
from training.measure.scenes import Stage, play_scenes
from training.measure.schema import save_figures
from training.report.page import write_report
from training.report.pictures import pictures_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from training.measure.evaluation import Heard, Judge
    from training.measure.schema import Figures
    from training.report.pictures import Picture


def write_proof(data: Path, judge: Judge, heard: Sequence[Heard], method: str, out: Path) -> Figures:
    """Count all figures of networks on what they held out, and write them to `out` with their page.

    `method` is a sentence about how that was kept apart. Raises what `play_scenes` and `pool_trials` do.
    """
    out.mkdir(parents=True, exist_ok=True)
    settings, labels, store = judge.config.data, judge.labels, judge.store
    events = [label for label in settings.events or labels if label in labels]
    stage = Stage(data, store.params, fit_to_labels(settings, labels).background, settings.impulsive)
    scenes = play_scenes([(one.trial, one.decide) for one in heard], labels, events, stage)
    figures = measure(judge.held([one.trial for one in heard]), events, out.name, method, scenes)
    save_figures(figures, out / "figures.json")
    pictures: list[Picture] = []
    for one in heard:
        pictures += pictures_of(one.model, one.trial, labels, events, store, 1)
    write_report(figures, out / "report.html", sorted(pictures, key=lambda picture: events.index(picture.label)))
    return figures
