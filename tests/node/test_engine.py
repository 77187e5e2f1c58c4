"""The loop over all sources: batching, gaps, ends, and one source failing alone."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from edge.inference.bundle import read_bundle
from edge.inference.onnx import OnnxClassifier
from edge.node.engine import Engine
from edge.node.gauges import NodeCollector
from edge.node.receiver import Receiver
from edge.node.stream import History, Stream
from edge.pipeline.build import build_pipeline
from edge.settings.tree import Settings
from edge.telemetry import Metrics
from edge.types import AudioBlock, Event, Level, MelWindow, Phase, SourceState, SourceStats
from tests.support.bundles import PARAMS, write_bundle
from tests.support.streaming import write_streaming_bundle

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edge.api.answers import LiveFrame
    from edge.pipeline.pipeline import Pipeline

RATE = PARAMS.sample_rate_hz


class Clock:
    """Sample 0 was at noon."""

    def utc(self, index: int) -> datetime:
        return datetime(2026, 1, 1, 12, tzinfo=timezone.utc) + timedelta(seconds=index / RATE)


class FakeRunner:
    """A source in memory: hands out the blocks it was given."""

    timeline = Clock()

    def __init__(self, name: str, blocks: Sequence[AudioBlock] = ()) -> None:
        self.name, self.blocks = name, list(blocks)
        self.state, self.finished = SourceState.ONLINE, False
        self.broken_off: list[str] = []

    def take_offline(self, why: str) -> None:
        self.broken_off.append(why)
        self.blocks.clear()

    def take(self) -> list[AudioBlock]:
        blocks, self.blocks = self.blocks, []
        return blocks

    def stats(self) -> SourceStats:
        return SourceStats(
            self.name,
            "pcm:-",
            self.state,
            "",
            0,
            0,
            0.0,
            0.0,
            0.0,
            0.0,
            float(bool(self.blocks)),
            finished=self.finished,
        )


@pytest.fixture(scope="module", params=[write_bundle, write_streaming_bundle], ids=["window", "streaming"])
def classifier(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> OnnxClassifier:
    return OnnxClassifier(read_bundle(request.param(tmp_path_factory.mktemp("bundle") / "tiny")))


class Found(Receiver):
    """Keeps what an engine finds."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Event]] = []
        self.levels: list[tuple[str, Level]] = []
        self.turns: list[bool] = []
        self.worked = threading.Event()

    def take_event(self, stream: Stream, event: Event) -> None:
        self.events.append((stream.name, event))

    def take_level(self, stream: Stream, level: Level) -> None:
        self.levels.append((stream.name, level))

    def end_turn(self, *, moved: bool) -> None:
        self.turns.append(moved)
        if moved:
            self.worked.set()


@pytest.fixture
def found() -> Found:
    return Found()


@pytest.fixture
def heard(found: Found) -> list[tuple[str, Event]]:
    return found.events


@pytest.fixture
def build(classifier: OnnxClassifier, found: Found) -> Callable[..., Engine]:
    def make(*runners: FakeRunner) -> Engine:
        def pipeline_of(name: str) -> Callable[[], Pipeline]:
            return lambda: build_pipeline(classifier.bundle, Settings(), source=name)

        streams = [Stream(runner, pipeline_of(runner.name)(), pipeline_of(runner.name)) for runner in runners]
        engine = Engine(streams, classifier, threading.Event(), metrics=Metrics(CollectorRegistry()), max_batch=64)
        engine.follow(found)
        return engine

    return make


def hum(seconds: float, start: int = 0) -> AudioBlock:
    """Loud lows: a `siren` to the tiny network."""
    t = np.arange(round(seconds * RATE)) / RATE
    return AudioBlock((sum(np.sin(2 * np.pi * f * t) for f in range(250, 1400, 75)) * 0.05).astype(np.float32), start)


def quiet(seconds: float, start: int = 0) -> AudioBlock:
    return AudioBlock(np.zeros(round(seconds * RATE), np.float32), start)


def metric(engine: Engine, name: str, **labels: str) -> float | None:
    return engine._metrics.registry.get_sample_value(name, labels)


def test_all_sources_share_one_inference(build: Callable[..., Engine]) -> None:
    """Eight sources with nine windows each go into two batches of at most 64, and every window is counted."""
    engine = build(*(FakeRunner(f"s{i}", [quiet(1.2)]) for i in range(8)))
    assert engine.turn()
    assert metric(engine, "tocsin_inference_batch_size_count") == 2
    assert metric(engine, "tocsin_windows_total", source="s3") == 9
    assert not engine.turn()


def test_events_belong_to_the_source_that_sounded(build: Callable[..., Engine], heard: list[tuple[str, Event]]) -> None:
    """Mixing streams in a batch does not mix their events."""
    engine = build(FakeRunner("still", [quiet(3)]), FakeRunner("loud", [hum(3)]))
    engine.turn()
    assert {(name, event.label) for name, event in heard} == {("loud", "siren")}


def test_an_event_on_before_a_gap_is_decided_before_it_and_ended(
    build: Callable[..., Engine], heard: list[tuple[str, Event]]
) -> None:
    """Blocks on both sides of a gap may come in one turn."""
    runner = FakeRunner("mic", [hum(2), quiet(2, 10 * RATE)])
    engine = build(runner)
    engine.turn()
    assert [event.phase for _, event in heard] == [Phase.START, Phase.END]
    assert heard[1][1].gap
    assert heard[0][1].laeq_db > -60


def test_audio_lost_while_a_source_is_up_counts_as_dropped_windows(build: Callable[..., Engine]) -> None:
    """Ten lost seconds are eighty windows that were never scored."""
    runner = FakeRunner("mic", [quiet(1)])
    engine = build(runner)
    engine.turn()
    runner.blocks = [quiet(1, 11 * RATE)]
    engine.turn()
    assert metric(engine, "tocsin_windows_dropped_total", source="mic") == 80


def test_a_source_that_goes_offline_ends_its_events_at_once(
    build: Callable[..., Engine], heard: list[tuple[str, Event]]
) -> None:
    """Nothing stays on at a microphone that was pulled; the others go on."""
    lost, other = FakeRunner("lost", [hum(3)]), FakeRunner("other", [hum(3)])
    engine = build(lost, other)
    engine.turn()
    lost.state = SourceState.OFFLINE
    other.blocks = [hum(1, 3 * RATE)]
    engine.turn()
    assert [(name, event.gap) for name, event in heard if event.phase is Phase.END] == [("lost", True)]


def test_sound_that_comes_after_a_source_went_offline_leaves_nothing_on(
    build: Callable[..., Engine], heard: list[tuple[str, Event]]
) -> None:
    """A resampler's tail may arrive late."""
    runner = FakeRunner("mic", [hum(1.4)])
    engine = build(runner)
    engine.turn()
    runner.state = SourceState.OFFLINE
    engine.turn()
    assert heard == []
    runner.blocks = [hum(0.5, 7 * RATE // 5)]
    engine.turn()
    engine.turn()
    assert [event.phase for _, event in heard] == [Phase.START, Phase.END]


def test_a_file_is_decided_to_its_end_and_the_engine_says_when_all_are(
    build: Callable[..., Engine], heard: list[tuple[str, Event]]
) -> None:
    """The end of a recording is no loss."""
    runner = FakeRunner("file", [hum(3.1)])
    engine = build(runner)
    engine.turn()
    assert not engine.finished
    runner.state, runner.finished = SourceState.OFFLINE, True
    engine.turn()
    assert engine.finished
    assert heard[-1][1].phase is Phase.END
    assert not heard[-1][1].gap


def test_live_frames_are_made_only_while_somebody_looks(build: Callable[..., Engine]) -> None:
    """A frame has scores for every label, a level and a column of mel bands."""
    runner = FakeRunner("mic", [hum(0.5)])
    engine = build(runner)
    engine.turn()
    frames: list[LiveFrame] = []
    engine.live_listeners.append(frames.append)
    runner.blocks = [hum(0.5, RATE // 2)]
    engine.turn()
    assert len(frames) == 4
    assert frames[0].away is None
    assert len(frames[0].mel) == PARAMS.n_mels
    assert 0 < max(frames[0].mel) <= 255
    assert frames[0].time.startswith("2026-01-01T12:00:00.")


SICK = AudioBlock(np.zeros((5, 2), np.float32), 0)
"""What no pipeline can take."""


def fault_in_feed(engine: Engine, stream: Stream) -> None:
    stream.runner.blocks.insert(1, SICK)


def fault_in_decide(engine: Engine, stream: Stream) -> None:
    stream.pipeline.decide = failing


def fault_in_levels(engine: Engine, stream: Stream) -> None:
    stream.pipeline.take_levels = failing


def fault_in_events(engine: Engine, stream: Stream) -> None:
    take = engine._receiver.take_event

    def take_event(of: Stream, event: Event) -> None:
        if of is stream and event.phase is Phase.START:
            failing()
        take(of, event)

    engine._receiver.take_event = take_event  # type: ignore[method-assign]


def fault_in_network(engine: Engine, stream: Stream) -> None:
    score = engine._classifier.score

    def sometimes(windows: Sequence[MelWindow]) -> np.ndarray:
        if any(window.state is stream.pipeline._state for window in windows):
            failing()
        return score(windows)

    engine._classifier = SimpleNamespace(score=sometimes, bundle=engine._classifier.bundle)


def failing(*_args: object) -> Any:
    msg = "sick"
    raise ValueError(msg)


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("spoil", [fault_in_feed, fault_in_decide, fault_in_levels, fault_in_events, fault_in_network])
def test_a_fault_in_one_stream_takes_nothing_from_the_others(
    build: Callable[..., Engine],
    found: Found,
    caplog: pytest.LogCaptureFixture,
    spoil: Callable[[Engine, Stream], None],
    place: int,
) -> None:
    """Its source is offline with the reason, said once; every window and level of the others is there, in that turn."""
    runners = [FakeRunner(name, [hum(3), hum(1, 3 * RATE)]) for name in ("a", "b")]
    engine = build(*runners)
    sick, well = engine.streams[place], engine.streams[1 - place]
    before = sick.pipeline
    spoil(engine, sick)
    assert engine.turn()
    assert next(event.phase for name, event in found.events if name == well.name) is Phase.START
    assert metric(engine, "tocsin_windows_total", source=well.name) == 31
    assert sum(name == well.name for name, _ in found.levels) == 3
    assert len(sick.runner.broken_off) == 1
    assert sick.runner.broken_off[0].startswith("its sound cannot be analysed: ValueError: ")
    assert well.runner.broken_off == []
    assert sum("cannot be analysed" in record.getMessage() for record in caplog.records) == 1
    assert sick.pipeline is not before


def test_after_a_fault_a_stream_is_heard_again_behind_a_gap(
    build: Callable[..., Engine], heard: list[tuple[str, Event]], caplog: pytest.LogCaptureFixture
) -> None:
    """What was going on is ended, the fresh pipeline knows nothing of it, and the same fault is said once."""
    runner = FakeRunner("mic", [hum(3)])
    engine = build(runner)
    engine.turn()
    for start in (3, 13, 23):
        runner.blocks = [AudioBlock(SICK.samples, start * RATE), hum(2, start * RATE + 5)]
        engine.turn()
        runner.blocks = [hum(3, (start + 5) * RATE)]
        engine.turn()
    assert [event.phase for _, event in heard if event.phase is not Phase.UPDATE] == [Phase.START, Phase.END] * 3 + [
        Phase.START
    ]
    assert all(event.gap for _, event in heard[1:])
    assert all(event.onset >= 8 * RATE for _, event in heard[2:] if event.phase is Phase.START and event.onset)
    assert len(runner.broken_off) == 3
    assert sum("cannot be analysed" in record.getMessage() for record in caplog.records) == 1


def test_a_turn_that_fails_as_a_whole_does_not_end_the_loop_nor_feed_the_watchdog(
    build: Callable[..., Engine], found: Found, caplog: pytest.LogCaptureFixture
) -> None:
    """The loop goes on, and reports turns only when they worked."""
    runner = FakeRunner("mic")
    engine = build(runner)
    engine.submit(failing)
    engine.start()
    while not caplog.records:
        assert engine.alive
        found.worked.wait(0.01)
    assert True not in found.turns
    engine.submit(lambda: runner.blocks.append(hum(3)))
    assert found.worked.wait(5)
    engine.stop()
    assert not engine.alive
    assert "a turn of the engine failed" in caplog.text
    assert found.events[-1][1].phase is Phase.END


def test_history_gives_back_what_it_still_has() -> None:
    """Old sound goes, and a cut across blocks is seamless."""
    history = History(2.0, RATE)
    ramp = np.arange(10 * RATE, dtype=np.float32)
    for start in range(0, ramp.size, 4000):
        history.push(AudioBlock(ramp[start : start + 4000], start))
    assert np.array_equal(history.cut(9 * RATE + 5, 9 * RATE + 9005), ramp[9 * RATE + 5 : 9 * RATE + 9005])
    assert history.cut(0, RATE).size == 0


def test_source_figures_are_read_at_the_moment_of_the_scrape() -> None:
    """Prometheus sees a source's counters and state, the outbox and the broker."""
    registry, runner = CollectorRegistry(), FakeRunner("mic")
    outbox = SimpleNamespace(outbox_stats=lambda: (3, 7.5), outbox_dropped=2, removed=1)
    registry.register(NodeCollector(lambda: [runner.stats()], outbox, lambda: True, faulty_scores=lambda: 5))
    assert registry.get_sample_value("tocsin_source_up", {"source": "mic"}) == 1.0
    runner.state = SourceState.OFFLINE
    assert registry.get_sample_value("tocsin_source_up", {"source": "mic"}) == 0.0
    assert registry.get_sample_value("tocsin_outbox_oldest_seconds") == 7.5
    assert registry.get_sample_value("tocsin_outbox_dropped_total") == 2.0
    assert registry.get_sample_value("tocsin_storage_damaged_total") == 1.0
    assert registry.get_sample_value("tocsin_faulty_scores_total") == 5.0
    assert registry.get_sample_value("tocsin_audio_bad_samples_total", {"source": "mic"}) == 0.0
    assert registry.get_sample_value("tocsin_mqtt_connected") == 1.0
    assert registry.get_sample_value("tocsin_audio_frames_total", {"source": "mic"}) == 0.0
