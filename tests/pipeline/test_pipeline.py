"""The whole pipeline, with synthetic sound and a real, tiny network."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.inference.bundle import read_bundle
from edge.inference.onnx import OnnxClassifier
from edge.pipeline.pipeline import Pipeline
from edge.types import AudioBlock, Event, Phase
from tests.support.bundles import LABELS, PARAMS, write_bundle
from tests.support.rules import make_rule
from tests.support.streaming import write_streaming_bundle

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

RATE = PARAMS.sample_rate_hz
RULES = (
    make_rule("gunshot", on=0.6, off=0.3, min_windows=1, hold_s=0.5, cooldown_s=0.25, smoothing_s=0.0),
    make_rule("siren", on=0.6, off=0.3, min_windows=2, hold_s=1.0, smoothing_s=0.5),
)


@pytest.fixture(scope="module", params=[write_bundle, write_streaming_bundle], ids=["window", "streaming"])
def classifier(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> OnnxClassifier:
    path: Path = tmp_path_factory.mktemp("bundle")
    return OnnxClassifier(read_bundle(request.param(path / "tiny")))


def make_pipeline() -> Pipeline:
    ids = itertools.count(1)
    return Pipeline(PARAMS, LABELS, RULES, lambda: f"e{next(ids)}", update_s=2.0)


def make_scene() -> np.ndarray:
    """Return six quiet seconds with a high burst at 2.0 s and low tones from 3.5 to 5.5 s."""
    rng = np.random.default_rng(5)
    samples = rng.normal(0, 1e-4, 6 * RATE)
    burst = rng.normal(0, 0.5, RATE // 4)
    samples[2 * RATE : 2 * RATE + burst.size] += np.diff(burst, n=3, prepend=[0.0] * 3) / 4
    t = np.arange(2 * RATE) / RATE
    samples[round(3.5 * RATE) : round(5.5 * RATE)] += (
        0.3 * sum(np.sin(2 * np.pi * f * t) for f in range(250, 1400, 75)) / 4
    )
    return samples.astype(np.float32)


def run(classifier: OnnxClassifier, samples: np.ndarray, sizes: list[int]) -> list[Event]:
    pipeline, events, at = make_pipeline(), list[Event](), 0
    for size in itertools.chain(sizes, [samples.size]):
        events += pipeline.push(AudioBlock(samples[at : at + size], at), classifier)
        at = min(at + size, samples.size)
    return events + pipeline.finish(classifier)


def assert_same(events: Sequence[Event], others: Sequence[Event]) -> None:
    """Compare events, with scores and levels up to the rounding of another batch."""
    names = ("score", "peak_score", "laeq_db", "lafmax_db")
    blank: dict[str, Any] = dict.fromkeys(names, 0.0)
    assert [replace(event, **blank) for event in events] == [replace(event, **blank) for event in others]
    for name in names:
        assert [getattr(event, name) for event in events] == pytest.approx(
            [getattr(event, name) for event in others], abs=1e-5
        )


def test_each_sound_becomes_one_event_at_its_time(classifier: OnnxClassifier) -> None:
    """The burst is a gunshot at 2.0 s, the low tones are a siren from 3.5 s."""
    events = run(classifier, make_scene(), [])
    starts = {event.label: event for event in events if event.phase is Phase.START}
    ends = [event.label for event in events if event.phase is Phase.END]
    assert sorted(ends) == ["gunshot", "siren"]
    assert starts["gunshot"].onset / RATE == pytest.approx(2.0, abs=0.05)
    assert (starts["gunshot"].decided - 2 * RATE) / RATE < 0.3
    assert starts["siren"].onset / RATE == pytest.approx(3.5, abs=1.0)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 30_000), max_size=30))
def test_events_do_not_depend_on_the_blocks(classifier: OnnxClassifier, sizes: list[int]) -> None:
    """All values are equal, but for rounding of a network with other batch sizes."""
    samples = make_scene()
    cut, whole = run(classifier, samples, sizes), run(classifier, samples, [])
    assert_same(cut, whole)


def test_a_decision_comes_every_hop_from_the_first_eighth_of_a_second(classifier: OnnxClassifier) -> None:
    """The rest of a window that is not yet full is silence, and `heard` is its number of samples."""
    windows = make_pipeline().feed(AudioBlock(make_scene(), 0))
    ends = [window.end for window in windows]
    assert ends[0] == (PARAMS.decision_frames - 1) * PARAMS.hop_samples + PARAMS.n_fft
    assert set(np.diff(ends)) == {PARAMS.decision_samples}
    assert windows[0].heard == ends[0]
    assert windows[-1].heard == PARAMS.window_samples
    assert np.allclose(windows[0].features[: -PARAMS.decision_frames], PARAMS.silence)


def test_no_window_spans_a_gap(classifier: OnnxClassifier) -> None:
    """After lost samples windows start empty, with a mark."""
    pipeline = make_pipeline()
    loud = np.random.default_rng(0).normal(0, 0.5, 3 * RATE).astype(np.float32)
    pipeline.feed(AudioBlock(loud, 0))
    block = AudioBlock(np.zeros(2 * RATE, np.float32), 10 * RATE + 123)
    assert pipeline.is_after_gap(block)
    windows = pipeline.feed(block)
    assert all(np.allclose(window.features, PARAMS.silence) for window in windows)
    assert windows[0].end > 10 * RATE
    assert windows[0].gap
    assert windows[0].heard < PARAMS.window_samples
    assert not windows[-1].gap
    assert not pipeline.is_after_gap(AudioBlock(loud, 12 * RATE + 123))


def test_a_gap_ends_an_event(classifier: OnnxClassifier) -> None:
    """The end is marked `gap` and precedes all later messages."""
    samples, pipeline = make_scene(), make_pipeline()
    events = pipeline.push(AudioBlock(samples[: round(4.8 * RATE)], 0), classifier)
    assert events[-1].phase is not Phase.END
    (end,) = pipeline.push(AudioBlock(np.zeros(RATE, np.float32), 20 * RATE), classifier)
    assert (end.label, end.phase, end.gap) == ("siren", Phase.END, True)
    assert end.decided <= 5 * RATE


def test_a_recording_shorter_than_a_window_gives_one(classifier: OnnxClassifier) -> None:
    """Recordings of 100 ms and 25 ms are analysed whole."""
    for size in (400, 1600):
        pipeline = make_pipeline()
        assert pipeline.feed(AudioBlock(np.tile([0.5, 0.1, -0.5, -0.1], size // 4).astype(np.float32), 0)) == []
        (window,) = pipeline.flush()
        assert (window.features > PARAMS.silence + 0.1).any()
    assert make_pipeline().flush() == []


def test_flush_covers_every_sample(classifier: OnnxClassifier) -> None:
    """The last window ends at or after the last sample."""
    for size in range(16_000, 18_500, 77):
        pipeline = make_pipeline()
        windows = pipeline.feed(AudioBlock(np.zeros(size, np.float32), 0)) + pipeline.flush()
        assert windows[-1].end >= size - (PARAMS.n_fft - PARAMS.hop_samples)
        assert windows[-1].end <= size + PARAMS.decision_samples + PARAMS.n_fft


def test_new_rules_end_the_old_rules_events(classifier: OnnxClassifier) -> None:
    """A reload leaves no event open that no rule follows."""
    pipeline = make_pipeline()
    pipeline.push(AudioBlock(make_scene()[: round(4.8 * RATE)], 0), classifier)
    assert [event.phase for event in pipeline.set_rules((), 2.0)] == [Phase.END]
    assert pipeline.finish(classifier) == []


def test_no_event_starts_before_a_whole_window_or_the_end(classifier: OnnxClassifier) -> None:
    """The start of a stream is not a gunshot, but a short recording may contain one."""
    burst = make_scene()[2 * RATE : 3 * RATE]
    pipeline = make_pipeline()
    assert pipeline.push(AudioBlock(np.concatenate((burst, burst[::-1]))[: RATE * 5 // 4], 0), classifier) == []
    pipeline = make_pipeline()
    pipeline.push(AudioBlock(np.concatenate((burst[RATE // 2 :], burst[: RATE // 4])), 0), classifier)
    assert [(event.label, event.phase) for event in pipeline.finish(classifier)] == [
        ("gunshot", Phase.START),
        ("gunshot", Phase.END),
    ]


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 30_000), max_size=20), st.integers(1, 60_000), st.lists(st.integers(1, 400), max_size=5))
def test_events_after_a_gap_do_not_depend_on_the_blocks(
    classifier: OnnxClassifier, sizes: list[int], lost: int, first: list[int]
) -> None:
    """Frames stay on the stream's grid, even if the first blocks after the gap are shorter than a hop."""

    def run_with_gap(cuts: list[int]) -> list[Event]:
        pipeline, samples, at = make_pipeline(), make_scene(), 0
        events = pipeline.push(AudioBlock(samples[: 3 * RATE], 0), classifier)
        rest = samples[3 * RATE :]
        for size in itertools.chain(cuts, [rest.size]):
            events += pipeline.push(AudioBlock(rest[at : at + size], 3 * RATE + lost + at), classifier)
            at = min(at + size, rest.size)
        return events + pipeline.finish(classifier)

    assert_same(run_with_gap(first + sizes), run_with_gap([]))


def test_an_event_right_after_a_gap_is_marked_and_starts_after_it(classifier: OnnxClassifier) -> None:
    """It may have begun in the gap, but its onset is not before the end of the gap."""
    pipeline, samples = make_pipeline(), make_scene()
    pipeline.push(AudioBlock(samples[: 3 * RATE], 0), classifier)
    back = 9 * RATE
    events = pipeline.push(AudioBlock(samples[round(3.5 * RATE) : round(5.4 * RATE)], back), classifier)
    start = next(event for event in events if event.phase is Phase.START)
    assert (start.label, start.gap) == ("siren", True)
    assert start.onset >= back


def test_events_of_new_rules_start_after_those_of_the_old_rules(classifier: OnnxClassifier) -> None:
    """The same sound is one event before and another one after the change."""
    pipeline, samples = make_pipeline(), make_scene()
    pipeline.push(AudioBlock(samples[: round(4.8 * RATE)], 0), classifier)
    (end,) = pipeline.set_rules(RULES, 2.0)
    again = pipeline.push(AudioBlock(samples[round(4.8 * RATE) :], round(4.8 * RATE)), classifier)
    assert end.end is not None
    assert again[0].phase is Phase.START
    assert again[0].onset >= end.end


def test_no_event_ends_after_the_end_of_a_recording(classifier: OnnxClassifier) -> None:
    """The silence added to the last window does not count."""
    samples = make_scene()[: round(5.03 * RATE)]
    ends = [event.end for event in run(classifier, samples, []) if event.phase is Phase.END]
    assert len(ends) == 2
    assert max(end for end in ends if end is not None) == samples.size
