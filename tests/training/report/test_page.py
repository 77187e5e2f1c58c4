"""The report opens offline and shows the figures."""

from __future__ import annotations

import base64
import json
import re
import zlib
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from edge.frontend.params import FrontEndParams
from tests.support.trials import clip, trial
from training.data.features import FeatureStore
from training.measure.events import EventCount
from training.measure.figures import count_figures
from training.measure.pool import pool_trials
from training.measure.scenes import SceneCount
from training.report.page import render_page, write_page
from training.report.pictures import FALSE_ALARM, HIT, MISS, Picture, draw_pictures
from training.report.svg import Axis, Series, draw_line_chart

if TYPE_CHECKING:
    from pathlib import Path

    from training.measure.schema import Figures

PARAMS = FrontEndParams()
LABELS = ("siren", "wind", "<b>&")
EMPTY_TAGS = {"meta", "img"}


class Page(HTMLParser):
    """Parser that collects the content of a page, and refuses tags that are not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.cells: list[str] = []
        self.json = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in EMPTY_TAGS:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in {"td", "th", "dd"}:
            self.cells.append(data)
        elif self._open and self._open[-1] == "script":
            self.json += data


def figures() -> Figures:
    """Return the figures of a network that is fair at sirens, with names that are no HTML."""
    rng = np.random.default_rng(1)
    heard = [(clip(n, LABELS[n % 3], "</script>"), rng.uniform(0.05, 0.95, (8, 3)).tolist()) for n in range(30)]
    held = pool_trials([trial(LABELS, heard, name="fold <1>")], LABELS, ["wind"], 1.0, 0.1)
    scenes = SceneCount({None: [True], 20.0: [True], 0.0: [False]}, EventCount(1, 1, 1), EventCount(1, 1, 1))
    return count_figures(held, ["siren"], "Proof of <i>", "Held out.", {"siren": scenes})


def test_the_page_asks_for_nothing_from_outside(tmp_path: Path) -> None:
    """Every source and reference is in the file, and the content policy forbids others."""
    picture = Picture("siren", HIT, "0.9", b"\x89PNG")
    write_page(figures(), tmp_path / "report.html", [picture])
    text = (tmp_path / "report.html").read_text("utf-8")
    page = Page(text)
    used = [value for _, attrs in page.tags for name, value in attrs.items() if name in {"src", "href", "srcset"}]
    assert used == ["data:image/png;base64," + base64.b64encode(picture.png).decode()]
    assert not re.search(r"https?://|@import|url\(", text)
    (policy,) = [attrs["content"] for tag, attrs in page.tags if "http-equiv" in attrs]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def test_the_page_shows_and_carries_the_figures() -> None:
    """They are in its tables, four charts and one script of data that can be read again."""
    made = figures()
    page = Page(render_page(made))
    siren = made["labels"]["siren"]
    for value in (siren["average_precision"], siren["roc_auc"], siren["f1"], made["summary"]["macro_f1"]):
        assert f"{value:.3f}" in page.cells
    assert {"siren", "fold <1>", "siren: </script>", "<b>&"} <= set(page.cells)
    assert sum(tag == "svg" for tag, _ in page.tags) == 4
    assert json.loads(page.json) == json.loads(json.dumps(made))
    assert sum(tag == "script" for tag, _ in page.tags) == 1


def test_what_was_not_measured_is_not_drawn() -> None:
    """Without scenes and background two of the charts are left out."""
    heard = [(clip(n, LABELS[n % 2]), [[0.3, 0.6, 0.1]]) for n in range(4)]
    held = pool_trials([trial(LABELS, heard)], LABELS, [], 1 / 8, 0.1)
    page = Page(render_page(count_figures(held, ["siren"], "t", "m")))
    assert [attrs["aria-label"] for tag, attrs in page.tags if tag == "svg"] == ["Precision over recall", "Reliability"]


def test_many_events_are_drawn_a_few_at_a_time() -> None:
    """Seven labels make two blocks of charts, as there are not enough colours for one."""
    labels = tuple(f"label {n}" for n in range(7))
    heard = [(clip(n, label), [np.linspace(0.2, 0.8, 7).tolist()]) for n, label in enumerate(labels)]
    held = pool_trials([trial(labels, heard)], labels, [], 1 / 8, 0.1)
    page = Page(render_page(count_figures(held, labels, "t", "m")))
    assert sum(tag == "div" and attrs.get("class") == "charts" for tag, attrs in page.tags) == 2


def test_a_chart_puts_points_where_they_belong() -> None:
    """The middle of a logarithmic axis is its geometric mean, and a value beyond an end is moved to it."""
    axis = Axis("y", 0.1, 10.0, [], log=True)
    assert [axis.locate(value) for value in (0.0, 0.1, 1.0, 10.0, 99.0)] == pytest.approx([0.0, 0.0, 0.5, 1.0, 1.0])
    flat = Axis("x", 0.0, 1.0, [(0.5, "a < b")])
    chart = draw_line_chart([Series("one", [(0.0, 0.0), (1.0, 1.0)])], flat, flat, "about")
    assert 'd="M54.0 254.0L446.0 12.0"' in chart
    assert "a &lt; b" in chart


def test_precision_holds_back_to_the_point_before() -> None:
    """Steps begin at the axis and fall where the recall does not grow: their area is the average precision."""
    axis = Axis("", 0.0, 1.0, [])
    chart = draw_line_chart([Series("one", [(0.5, 1.0), (1.0, 0.5)], steps=True)], axis, axis, "about")
    assert 'd="M54.0 12.0V12.0H250.0V133.0H446.0"' in chart


class Loudness(nn.Module):
    """Finds a siren in any loud window."""

    def __init__(self) -> None:
        super().__init__()
        self.same = nn.Conv2d(1, 1, 1, bias=False)
        nn.init.ones_(self.same.weight)

    def forward(self, log_mel: Tensor) -> Tensor:
        level = self.same(log_mel.unsqueeze(1)).mean(dim=(2, 3))
        return torch.cat((level, -level, 0 * level), dim=1)


def test_pictures_are_of_the_surest_and_the_worst() -> None:
    """A hit, a miss and a false alarm, each of a recording of its own, and the window is the loudest of the clip."""
    said = [
        (clip(0, "siren"), 0.8),
        (clip(1, "siren", group="same"), 0.9),
        (clip(2, "siren", group="same"), 0.95),
        (clip(3, "siren"), 0.1),
        (clip(4, "siren"), 0.2),
        (clip(5, "wind"), 0.7),
        (clip(6, "wind"), 0.4),
    ]
    trial_ = trial(LABELS, [(one, [[chance, 0.5, 0.5]]) for one, chance in said])
    frames = np.full((7 * 200, PARAMS.n_mels), -1.0, np.float16)
    frames[100:196, :8] = 1.0
    store = FeatureStore(frames, np.arange(0, 1401, 200), PARAMS)
    made = draw_pictures(Loudness(), trial_, LABELS, ["siren"], store, each=2)
    assert [(p.kind, p.caption.split(",")[0]) for p in made] == [
        (HIT, "0.95: 2.wav"),
        (HIT, "0.80: 0.wav"),
        (MISS, "0.10: 3.wav"),
        (MISS, "0.20: 4.wav"),
        (FALSE_ALARM, "0.70"),
    ]
    assert "wind: 5.wav" in made[-1].caption
    pixels = decoded(made[1].png)
    assert pixels.shape == (PARAMS.n_mels, PARAMS.window_frames, 3)
    orange = pixels[..., 0].astype(int) - pixels[..., 2]
    assert orange[-6:, 10:-10].min() > 100
    assert orange[:40].max() == 0


def decoded(png: bytes) -> np.ndarray:
    """Return the pixels of a PNG of one chunk of data and no filter; checks the checksums."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    at, chunks = 8, {}
    while at < len(png):
        size, name = int.from_bytes(png[at : at + 4], "big"), png[at + 4 : at + 8]
        body = png[at + 8 : at + 8 + size]
        assert zlib.crc32(name + body) == int.from_bytes(png[at + 8 + size : at + 12 + size], "big")
        chunks[name], at = body, at + 12 + size
    width, height = (int.from_bytes(chunks[b"IHDR"][n : n + 4], "big") for n in (0, 4))
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, 1 + 3 * width)
    assert not rows[:, 0].any()
    return rows[:, 1:].reshape(height, width, 3)
