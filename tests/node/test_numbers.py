"""Samples and scores that are not finite: no effect on decisions, levels and patterns."""

from __future__ import annotations

import logging
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.away.background import Background
from edge.detection.level import LevelMeter
from edge.inference.bundle import read_bundle
from edge.inference.onnx import OnnxClassifier
from edge.pipeline.build import build_pipeline
from edge.pipeline.pipeline import Pipeline
from edge.settings.tree import Settings
from edge.types import AudioBlock, Event, Level, Pattern, Scores
from tests.support.bundles import LABELS, PARAMS, write_bundle
from tests.support.rules import make_rule
from tests.support.streaming import write_streaming_bundle

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edge.types import MelWindow

RATE = PARAMS.sample_rate_hz
EXTREMES = [np.nan, np.inf, -np.inf, 1e38, -3e38, 1e20, 1e19, 1e10, 1e4, 999.0, -1.0, 1e-38, 1e-45, -1e-45, 0.0]
EVERYTHING = Settings.model_validate({"away": {"enabled": True}, "detection": {"alert": True}})


@pytest.fixture(scope="module", params=[write_bundle, write_streaming_bundle], ids=["window", "streaming"])
def classifier(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> OnnxClassifier:
    path: Path = tmp_path_factory.mktemp("bundle")
    return OnnxClassifier(read_bundle(request.param(path / "tiny")))


class FakeClapNetwork:
    """A clap network that confirms every onset."""

    def compute_probabilities(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        assert np.isfinite(features).all()
        return np.ones((len(features), 1), np.float32)


def make_pipeline(classifier: OnnxClassifier) -> Pipeline:
    from edge.claps.listener import ClapListener

    pipeline = build_pipeline(classifier.bundle, EVERYTHING, source="mic")
    pipeline.claps = ClapListener(FakeClapNetwork(), 0.5, LABELS, EVERYTHING.claps)
    return pipeline


def list_floats(record: Event | Level | Pattern | Scores) -> list[float]:
    return [value for value in asdict(record).values() if isinstance(value, float)]


def make_noise(seconds: float, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0, 0.01, round(seconds * RATE)).astype(np.float32)


def push_checked(
    pipeline: Pipeline, classifier: OnnxClassifier, samples: NDArray[np.float32], start: int = 0
) -> list[Any]:
    """Return the findings of a pipeline, after a check that all their numbers are finite."""
    findings: list[Any] = []
    for at in range(0, samples.size, 4_000):
        findings += pipeline.push(AudioBlock(samples[at : at + 4_000], start + at), classifier)
        assert math.isfinite(pipeline.meter.read_current_db())
    findings += [*pipeline.take_levels(), *pipeline.take_patterns()]
    assert all(math.isfinite(value) for record in findings for value in list_floats(record))
    return findings


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3 * RATE - 1), st.integers(1, 3_000), st.sampled_from(EXTREMES)), max_size=5))
def test_findings_of_any_samples_are_finite(classifier: OnnxClassifier, faults: list[tuple[int, int, float]]) -> None:
    """This covers events, levels, claps and the away mode; later levels are unaffected."""
    samples, later = make_noise(3), make_noise(9, seed=1)
    faulty, well = make_pipeline(classifier), make_pipeline(classifier)
    push_checked(well, classifier, samples)
    for at, length, value in faults:
        samples[at : at + length] = value
    push_checked(faulty, classifier, samples)
    found = (push_checked(pipeline, classifier, later, samples.size) for pipeline in (faulty, well))
    level, expected = ([record for record in findings if isinstance(record, Level)][-1] for findings in found)
    assert list_floats(level) == pytest.approx(list_floats(expected), abs=0.01)


class FaultyNetwork:
    """A network with a bad score in some windows, as of a faulty accelerator."""

    def __init__(self, value: float, bad: range) -> None:
        self.value, self.bad, self.scored = value, bad, 0

    def score(self, windows: Sequence[MelWindow]) -> NDArray[np.float32]:
        rows = np.full((len(windows), len(LABELS)), 0.1, np.float32)
        for row in rows:
            if self.scored in self.bad:
                row[:] = self.value
            self.scored += 1
        return rows


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("smoothing_s", [0.0, 2.0])
def test_a_score_that_is_not_finite_starts_no_event(value: float, smoothing_s: float) -> None:
    """It counts as 0, also in an average."""
    rules = [make_rule(label, min_windows=1, smoothing_s=smoothing_s) for label in LABELS]
    pipeline = Pipeline(PARAMS, LABELS, rules, lambda: "e", update_s=2.0)
    samples = make_noise(20)
    assert pipeline.push(AudioBlock(samples, 0), FaultyNetwork(value, range(30, 60))) == []
    assert pipeline.interrupt(lost=False) == []


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_scores_that_are_not_finite_end_an_event(value: float) -> None:
    """A false comparison with NaN does not keep it open."""
    pipeline = Pipeline(
        PARAMS, LABELS, [make_rule(LABELS[0], min_windows=1, smoothing_s=0.0)], lambda: "e", update_s=2.0
    )
    classifier = FaultyNetwork(0.9, range(20, 30))
    started = pipeline.push(AudioBlock(make_noise(4), 0), classifier)
    classifier.value, classifier.bad = value, range(10_000)
    ended = pipeline.push(AudioBlock(make_noise(4), 4 * RATE), classifier)
    assert [event.phase.value for event in started + ended] == ["start", "end"]
    assert all(math.isfinite(number) for event in started + ended for number in list_floats(event))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_logits_that_are_not_finite_are_scores_of_0_and_logged_once(
    classifier: OnnxClassifier, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, value: float
) -> None:
    """This includes an overflow, whose probability would be 1; they are counted, and the state is reset."""
    pipeline, run = make_pipeline(classifier), classifier._run
    push_checked(pipeline, classifier, make_noise(3))
    before = classifier.faulty_scores

    def overflowing(*arguments: Any) -> list[NDArray[np.float32]]:
        return [np.full_like(output, value) for output in run(*arguments)]

    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR):
        patch.setattr(classifier, "_run", overflowing)
        patch.setattr(classifier, "faulty_scores", 0)
        for start in (3, 4):
            windows = pipeline.feed(AudioBlock(make_noise(1, start), start * RATE))
            rows = classifier.score(windows)
            assert not rows.any()
            assert rows.dtype == np.float32
        assert classifier.faulty_scores >= 16 * len(LABELS)
    assert [record.getMessage() for record in caplog.records] == [
        f"model {classifier.bundle.id} computes scores that are not finite; they count as 0"
    ]
    assert classifier.faulty_scores == before
    windows = pipeline.feed(AudioBlock(make_noise(3, 5), 5 * RATE))
    fresh = make_pipeline(classifier).feed(
        AudioBlock(np.concatenate((make_noise(1, 3), make_noise(1, 4), make_noise(3, 5))), 0)
    )
    assert classifier.score(windows)[-1] == pytest.approx(classifier.score(fresh)[-1], abs=0.02)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_meter_ignores_power_that_is_not_finite(value: float) -> None:
    """Levels after such spectra are correct."""
    meter = LevelMeter(PARAMS)
    meter.push(np.full((32, PARAMS.n_fft // 2 + 1), value, np.float32))
    meter.push(np.full((224, PARAMS.n_fft // 2 + 1), 1e-6, np.float32))
    span = meter.start_span(0)
    meter.extend(span, 256)
    levels = meter.take_levels()
    assert len(levels) == 4
    assert all(math.isfinite(value) for level in levels for value in list_floats(level))
    assert levels[-1].laeq_db == pytest.approx(levels[1].laeq_db, abs=0.01)
    assert math.isfinite(span.laeq_db(0.0))
    assert np.isfinite(meter.read_fast_db(0, 256)).all()
    assert meter.find_steepest_rise(0, 256) is not None


def test_a_background_ignores_levels_that_are_not_finite() -> None:
    """They are left out."""
    background = Background(30.0, 8.0, 10.0)
    for level_db in [math.nan] * 300 + [-50.0] * 20 + [math.nan, math.inf, -math.inf] * 20:
        background.push(level_db)
    assert background.level_db() == -50.0
