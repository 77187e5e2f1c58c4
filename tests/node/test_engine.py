"""The audio loop: batches, gaps, ends, and faults of a single source."""

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
    """A timeline with sample 0 at noon."""

    def utc(self, index: int) -> datetime:
        return datetime(2026, 1, 1, 12, tzinfo=timezone.utc) + timedelta(seconds=index / RATE)


class FakeRunner:
    """A source of blocks in memory."""

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


class Findings(Receiver):
    """Receiver that keeps the findings of an engine."""

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
def findings() -> Findings:
    return Findings()


@pytest.fixture
def events(findings: Findings) -> list[tuple[str, Event]]:
    return findings.events


@pytest.fixture
def build(classifier: OnnxClassifier, findings: Findings) -> Callable[..., Engine]:
    def make(*runners: FakeRunner) -> Engine:
        def make_stream(runner: Any) -> Stream:
            def renew() -> Pipeline:
                return build_pipeline(classifier.bundle, Settings(), source=runner.name)

            return Stream(runner, renew(), renew)

        streams = [make_stream(runner) for runner in runners]
        engine = Engine(streams, classifier, threading.Event(), metrics=Metrics(CollectorRegistry()), max_batch=64)
        engine.set_receiver(findings)
        return engine

    return make


def hum(seconds: float, start: int = 0) -> AudioBlock:
    """Return loud low tones, a `siren` to the tiny network."""
    t = np.arange(round(seconds * RATE)) / RATE
    tones = np.asarray(sum(np.sin(2 * np.pi * f * t) for f in range(250, 1400, 75)))
    return AudioBlock((tones * 0.05).astype(np.float32), start)


def quiet(seconds: float, start: int = 0) -> AudioBlock:
    return AudioBlock(np.zeros(round(seconds * RATE), np.float32), start)


def get_metric(engine: Engine, name: str, **labels: str) -> float | None:
    return engine._metrics.registry.get_sample_value(name, labels)


def test_all_sources_share_one_inference(build: Callable[..., Engine]) -> None:
    """Eight sources with nine windows each give two batches of at most 64, and every window counts."""
    engine = build(*(FakeRunner(f"s{i}", [quiet(1.2)]) for i in range(8)))
    assert engine.turn()
    assert get_metric(engine, "tocsin_inference_batch_size_count") == 2
    assert get_metric(engine, "tocsin_windows_total", source="s3") == 9
    assert not engine.turn()


def test_events_belong_to_their_source(build: Callable[..., Engine], events: list[tuple[str, Event]]) -> None:
    """A batch of several streams does not mix their events."""
    engine = build(FakeRunner("still", [quiet(3)]), FakeRunner("loud", [hum(3)]))
    engine.turn()
    assert {(name, event.label) for name, event in events} == {("loud", "siren")}


def test_an_event_before_a_gap_is_decided_and_ended(
    build: Callable[..., Engine], events: list[tuple[str, Event]]
) -> None:
    """Blocks on both sides of a gap may arrive in one turn."""
    runner = FakeRunner("mic", [hum(2), quiet(2, 10 * RATE)])
    engine = build(runner)
    engine.turn()
    assert [event.phase for _, event in events] == [Phase.START, Phase.END]
    assert events[1][1].gap
    assert events[0][1].laeq_db > -60


def test_audio_lost_while_a_source_is_up_counts_as_dropped_windows(build: Callable[..., Engine]) -> None:
    """Ten lost seconds are eighty dropped windows."""
    runner = FakeRunner("mic", [quiet(1)])
    engine = build(runner)
    engine.turn()
    runner.blocks = [quiet(1, 11 * RATE)]
    engine.turn()
    assert get_metric(engine, "tocsin_windows_dropped_total", source="mic") == 80


def test_a_source_that_goes_offline_ends_its_events_at_once(
    build: Callable[..., Engine], events: list[tuple[str, Event]]
) -> None:
    """No event stays open for an unplugged microphone; the others go on."""
    lost, other = FakeRunner("lost", [hum(3)]), FakeRunner("other", [hum(3)])
    engine = build(lost, other)
    engine.turn()
    lost.state = SourceState.OFFLINE
    other.blocks = [hum(1, 3 * RATE)]
    engine.turn()
    assert [(name, event.gap) for name, event in events if event.phase is Phase.END] == [("lost", True)]


def test_late_sound_of_an_offline_source_leaves_no_event_open(
    build: Callable[..., Engine], events: list[tuple[str, Event]]
) -> None:
    """The rest of a resampler may arrive late."""
    runner = FakeRunner("mic", [hum(1.4)])
    engine = build(runner)
    engine.turn()
    runner.state = SourceState.OFFLINE
    engine.turn()
    assert events == []
    runner.blocks = [hum(0.5, 7 * RATE // 5)]
    engine.turn()
    engine.turn()
    assert [event.phase for _, event in events] == [Phase.START, Phase.END]


def test_a_file_is_decided_to_its_end_and_the_engine_finishes(
    build: Callable[..., Engine], events: list[tuple[str, Event]]
) -> None:
    """The end of a recording is not a gap."""
    runner = FakeRunner("file", [hum(3.1)])
    engine = build(runner)
    engine.turn()
    before = engine.finished
    runner.state, runner.finished = SourceState.OFFLINE, True
    engine.turn()
    assert (before, engine.finished) == (False, True)
    assert events[-1][1].phase is Phase.END
    assert not events[-1][1].gap


def test_live_frames_are_made_only_with_a_listener(build: Callable[..., Engine]) -> None:
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


BAD_BLOCK = AudioBlock(np.zeros((5, 2), np.float32), 0)
"""A block of the wrong shape, which makes a pipeline fail."""


def fault_in_feed(engine: Engine, stream: Stream) -> None:
    runner: Any = stream.runner
    runner.blocks.insert(1, BAD_BLOCK)


def fault_in_decide(engine: Engine, stream: Stream) -> None:
    pipeline: Any = stream.pipeline
    pipeline.decide = fail


def fault_in_levels(engine: Engine, stream: Stream) -> None:
    pipeline: Any = stream.pipeline
    pipeline.take_levels = fail


def fault_in_events(engine: Engine, stream: Stream) -> None:
    receiver: Any = engine._receiver
    take = receiver.take_event

    def take_event(of: Stream, event: Event) -> None:
        if of is stream and event.phase is Phase.START:
            fail()
        take(of, event)

    receiver.take_event = take_event


def fault_in_network(engine: Engine, stream: Stream) -> None:
    score = engine._classifier.score

    def sometimes(windows: Sequence[MelWindow]) -> np.ndarray:
        if any(window.state is stream.pipeline._state for window in windows):
            fail()
        return score(windows)

    failing: Any = SimpleNamespace(score=sometimes, bundle=engine._classifier.bundle)
    engine._classifier = failing


def fail(*_args: object) -> Any:
    msg = "a fault"
    raise ValueError(msg)


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize(
    "add_fault", [fault_in_feed, fault_in_decide, fault_in_levels, fault_in_events, fault_in_network]
)
def test_a_fault_in_one_stream_does_not_affect_the_others(
    build: Callable[..., Engine],
    findings: Findings,
    caplog: pytest.LogCaptureFixture,
    add_fault: Callable[[Engine, Stream], None],
    place: int,
) -> None:
    """Its source is offline with the reason, logged once; the others lose no window or level."""
    runners = [FakeRunner(name, [hum(3), hum(1, 3 * RATE)]) for name in ("a", "b")]
    engine = build(*runners)
    faulty, well = engine.streams[place], engine.streams[1 - place]
    faulty_runner, well_runner = runners[place], runners[1 - place]
    before = faulty.pipeline
    add_fault(engine, faulty)
    assert engine.turn()
    assert next(event.phase for name, event in findings.events if name == well.name) is Phase.START
    assert get_metric(engine, "tocsin_windows_total", source=well.name) == 31
    assert sum(name == well.name for name, _ in findings.levels) == 3
    assert len(faulty_runner.broken_off) == 1
    assert faulty_runner.broken_off[0].startswith("its sound cannot be analysed: ValueError: ")
    assert well_runner.broken_off == []
    assert sum("cannot be analysed" in record.getMessage() for record in caplog.records) == 1
    assert faulty.pipeline is not before


def test_after_a_fault_a_stream_continues_after_a_gap(
    build: Callable[..., Engine], events: list[tuple[str, Event]], caplog: pytest.LogCaptureFixture
) -> None:
    """Its event ends, the new pipeline starts empty, and a repeated fault is logged once."""
    runner = FakeRunner("mic", [hum(3)])
    engine = build(runner)
    engine.turn()
    for start in (3, 13, 23):
        runner.blocks = [AudioBlock(BAD_BLOCK.samples, start * RATE), hum(2, start * RATE + 5)]
        engine.turn()
        runner.blocks = [hum(3, (start + 5) * RATE)]
        engine.turn()
    assert [event.phase for _, event in events if event.phase is not Phase.UPDATE] == [Phase.START, Phase.END] * 3 + [
        Phase.START
    ]
    assert all(event.gap for _, event in events[1:])
    assert all(event.onset >= 8 * RATE for _, event in events[2:] if event.phase is Phase.START and event.onset)
    assert len(runner.broken_off) == 3
    assert sum("cannot be analysed" in record.getMessage() for record in caplog.records) == 1


def test_a_failed_turn_neither_ends_the_loop_nor_notifies_the_watchdog(
    build: Callable[..., Engine], findings: Findings, caplog: pytest.LogCaptureFixture
) -> None:
    """The loop goes on, and only reports successful turns."""
    runner = FakeRunner("mic")
    engine = build(runner)
    engine.submit(fail)
    engine.start()
    while not caplog.records:
        assert engine.alive
        findings.worked.wait(0.01)
    assert True not in findings.turns
    engine.submit(lambda: runner.blocks.append(hum(3)))
    assert findings.worked.wait(5)
    engine.stop()
    assert not engine.alive
    assert "a turn of the engine failed" in caplog.text
    assert findings.events[-1][1].phase is Phase.END


def test_the_history_returns_its_recent_sound() -> None:
    """Old sound is dropped, and a cut across blocks is seamless."""
    history = History(2.0, RATE)
    ramp = np.arange(10 * RATE, dtype=np.float32)
    for start in range(0, ramp.size, 4000):
        history.push(AudioBlock(ramp[start : start + 4000], start))
    assert np.array_equal(history.cut(9 * RATE + 5, 9 * RATE + 9005), ramp[9 * RATE + 5 : 9 * RATE + 9005])
    assert history.cut(0, RATE).size == 0


def test_source_metrics_are_read_at_a_scrape() -> None:
    """They cover counters and state of a source, the outbox and the broker."""
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
