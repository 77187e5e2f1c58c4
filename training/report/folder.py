"""A report in a folder: figures.json, and report.html with pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.data.fit import fit_to_labels
from training.measure.figures import count_figures
from training.measure.scenes import SceneMaker, score_scenes
from training.measure.schema import save_figures
from training.report.page import write_page
from training.report.pictures import draw_pictures

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from training.measure.evaluation import CalibratedNetwork, Evaluator
    from training.measure.schema import Figures
    from training.report.pictures import Picture


def write_report(
    data: Path, evaluator: Evaluator, networks: Sequence[CalibratedNetwork], method: str, out: Path
) -> Figures:
    """Count all figures of networks on their held-out clips; write figures and page.

    The files go to `out`. `method` is a sentence about how these clips were kept apart. Raises what `score_scenes` and
    `pool_trials` do.
    """
    out.mkdir(parents=True, exist_ok=True)
    settings, labels, store = evaluator.config.data, evaluator.labels, evaluator.store
    events = [label for label in settings.events or labels if label in labels]
    maker = SceneMaker(data, store.params, fit_to_labels(settings, labels).background, settings.impulsive)
    scenes = score_scenes([(network.trial, network.decide) for network in networks], labels, events, maker)
    figures = count_figures(evaluator.pool([network.trial for network in networks]), events, out.name, method, scenes)
    save_figures(figures, out / "figures.json")
    pictures: list[Picture] = []
    for network in networks:
        pictures += draw_pictures(network.model, network.trial, labels, events, store, 1)
    write_page(figures, out / "report.html", sorted(pictures, key=lambda picture: events.index(picture.label)))
    return figures
