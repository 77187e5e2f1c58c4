"""A node without microphone, model or database, for the tests of the web side."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry

from edge.api.answers import ClipAnswer, ClipEvent, ClipTiming, LabelScore, LiveFrame
from edge.api.records import ActiveModel, AwayStatus, BrokerStatus, BundleEntry, ModelIdentity, SourceStatus
from edge.errors import BrokenAudio, BundleError, Busy, EmptyInput, NotAudio, TooLarge, UsageError
from edge.types import SourceState

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


Json = dict[str, Any]
LABELS = ["siren", "gunshot", "traffic", "horn", "clap", "background"]
BROKER = BrokerStatus(enabled=True, connected=True, broker="127.0.0.1:1883", waiting=0, oldest_s=0.0)
REFUSALS = {
    b"noaudio": NotAudio,
    b"broken": BrokenAudio,
    b"toolong": TooLarge,
    b"silence": EmptyInput,
    b"nomodel": BundleError,
    b"busy": Busy,
}
"""What the decoder says of which upload."""


def message(sequence: int, event_id: str, label: str = "siren", phase: str = "start", score: float = 0.9) -> Json:
    """Return a CloudEvent as the node writes them, `sequence` seconds into a day."""
    time = f"2026-05-01T12:{sequence // 60 % 60:02d}:{sequence % 60:02d}.000Z"
    return {
        "specversion": "1.0",
        "id": f"m{sequence}",
        "source": "urn:tocsin:node:mic",
        "subject": label,
        "type": f"io.tocsin.sound.{phase}.v1",
        "time": time,
        "recordedtime": time,
        "sequence": f"{sequence:020d}",
        "data": {
            "event_id": event_id,
            "phase": phase,
            "label": label,
            "score": score,
            "peak_score": score,
            "onset_time": time,
            "end_time": time if phase == "end" else None,
            "duration_s": 1.5,
            "laeq": -31.5,
            "lafmax": -25.0,
            "calibrated": False,
            "source_name": "mic",
        },
    }


@dataclass
class FakePage:
    """What the store answers with."""

    items: list[Json]
    next_cursor: str | None = None


class FakeStore:
    """A history in a list; keeps what it was last asked for."""

    def __init__(self) -> None:
        self.messages: list[Json] = []
        self.clips: dict[str, Path] = {}
        self.asked: Json = {}

    def events(self, **asked: Any) -> FakePage:
        self.asked = asked
        cursor, limit, labels = asked.get("cursor"), asked["limit"], asked.get("label")
        if cursor is not None and not cursor.isdigit():
            msg = f"cursor {cursor!r} is none of this node's"
            raise UsageError(msg)
        latest = {item["data"]["event_id"]: item for item in self.messages}
        items = [
            item["data"]
            for item in reversed(latest.values())
            if (not labels or item["subject"] in labels)
            and item["data"]["source_name"] in (asked.get("source") or ["mic"])
        ]
        begin = int(cursor or 0)
        more = begin + limit < len(items)
        return FakePage(items[begin : begin + limit], str(begin + limit) if more else None)

    def event(self, event_id: str) -> Json | None:
        found = [item for item in self.messages if item["data"]["event_id"] == event_id]
        return {**found[-1]["data"], "messages": found} if found else None

    def messages_after(self, sequence: int, limit: int) -> list[Json]:
        return [item for item in self.messages if int(item["sequence"]) > sequence][:limit]

    def latest_sequence(self) -> int:
        return int(self.messages[-1]["sequence"]) if self.messages else 0

    def clip_path(self, event_id: str) -> Path | None:
        return self.clips.get(event_id)


@dataclass
class FakeNode:
    """A node whose every answer a test can set."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    store: FakeStore = field(default_factory=FakeStore)
    not_ready: list[str] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    """Uploads wait here; open unless a test closes it."""
    working: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    """Released by each upload that is begun."""
    classified: list[Json] = field(default_factory=list)
    on_event: list[Callable[[Json], None]] = field(default_factory=list)
    on_live: list[Callable[[LiveFrame], None]] = field(default_factory=list)
    states: list[SourceStatus] = field(default_factory=list)
    broker: BrokerStatus = BROKER
    away_enabled: bool = True
    away_on: bool = False

    def __post_init__(self) -> None:
        self.gate.set()
        self.states.append(source("mic"))

    def sources(self) -> list[SourceStatus]:
        return self.states

    def model(self) -> ActiveModel:
        return ActiveModel(
            id="city", version="0.1.0", sha256="0" * 64, provider="cpu", labels=LABELS, alerts=["siren", "gunshot"],
            window_s=1.92, measured={},
        )  # fmt: skip

    def models(self) -> list[BundleEntry]:
        sound = BundleEntry(
            id="city", version="0.1.0", path="/models/city", shipped=True, active=True, sha256="0" * 64, task="events",
            labels=LABELS, problem="",
        )  # fmt: skip
        damaged = BundleEntry(
            id="old", version="0.0.1", path="/models/old@0.0.1", shipped=False, active=False, problem="damaged"
        )
        return [damaged, sound]

    def patterns(self) -> list[str]:
        return ["double", "triple"]

    def config(self) -> Json:
        return {"node": {"id": "node"}, "level": {"calibration_offset_db": None}, "mqtt": {"password": "********"}}

    def mqtt(self) -> BrokerStatus:
        return self.broker

    def away(self) -> AwayStatus:
        until = "2026-05-01T12:00:30.000Z" if self.away_on else None
        return AwayStatus(
            enabled=self.away_enabled, state="ON" if self.away_on else "OFF", armed=False, arming_until=until,
            quiet=False,
        )  # fmt: skip

    def set_away(self, on: bool) -> AwayStatus:
        if not self.away_enabled:
            msg = "the away mode is not enabled; set away.enabled = true"
            raise UsageError(msg)
        self.away_on = on
        return self.away()

    def ready(self) -> list[str]:
        return self.not_ready

    def subscribe_events(self, callback: Callable[[Json], None]) -> Callable[[], None]:
        self.on_event.append(callback)
        return lambda: self.on_event.remove(callback)

    def subscribe_live(self, callback: Callable[[LiveFrame], None]) -> Callable[[], None]:
        self.on_live.append(callback)
        return lambda: self.on_live.remove(callback)

    def record(self, *args: Any, **kwargs: Any) -> Json:
        """Write one message to the history, then tell everybody."""
        made = message(self.store.latest_sequence() + 1, *args, **kwargs)
        self.store.messages.append(made)
        for callback in list(self.on_event):
            callback(made)
        return made

    def play(self, frame: LiveFrame) -> None:
        """Send one live frame to everybody."""
        for callback in list(self.on_live):
            callback(frame)

    def classify(self, path: Path, **options: Any) -> ClipAnswer:
        """Judge a file by its first word, as the decoder would."""
        self.working.release()
        assert self.gate.wait(20)
        content = path.read_bytes()
        if content == b"boom":
            msg = "a fault with a secret in it"
            raise RuntimeError(msg)
        if error := REFUSALS.get(content):
            msg = "the file is refused"
            raise error(msg, where=path, remedy="send something else")
        niceness = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
        self.classified.append(
            {"content": content, "thread": threading.get_ident(), "niceness": niceness, "options": options}
        )
        return ClipAnswer(
            model=ModelIdentity(id="city", version="0.1.0", sha256="0" * 64, provider="cpu"),
            duration_s=1.0,
            sample_rate=16000,
            labels=[LabelScore(label="siren", score=0.9)],
            events=[ClipEvent(label="siren", onset_s=0.1, offset_s=0.9, score=0.9)],
            timing_ms=ClipTiming(inference=2.5, total=3.0),
        )


def source(name: str, state: str = "online", detail: str = "", **more: Any) -> SourceStatus:
    """Return the state of one source."""
    status = SourceStatus(
        name=name, spec="mic", state=SourceState(state), detail=detail, device="USB Audio", rate_hz=48000,
        samples=96000, overflows=0, gap_s=0.0, clipped_s=0.0, silent_s=0.0, last_audio_s=0.02, lag_s=0.05, laeq=-30.0,
        scores={},
    )  # fmt: skip
    return replace(status, **more)


def frame(name: str, score: float = 0.8, level: float = -30.0, **more: Any) -> LiveFrame:
    """Return one live frame."""
    made = LiveFrame(
        source=name,
        time="2026-05-01T12:00:00.000Z",
        scores=dict.fromkeys(LABELS, 0.02) | {"siren": score},
        laeq=level,
        mel=[(7 * band) % 256 for band in range(64)],
    )
    return replace(made, **more)
