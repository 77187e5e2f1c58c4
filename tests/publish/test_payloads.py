"""Payloads and topics as documented."""

from __future__ import annotations

import itertools
import json
from datetime import datetime, timedelta, timezone
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.clock import parse_rfc3339
from edge.errors import ConfigError
from edge.publish import topics
from edge.publish.payload import (
    EventContext,
    Stamp,
    cloud_event,
    event_schema,
    make_ending,
    pattern_event,
    pattern_message,
)
from edge.types import Event, ModelInfo, Pattern, Phase

RATE = 16_000
NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
CONTEXT = EventContext(
    "lamp-7",
    "mic",
    "52.1,4.3",
    ModelInfo("city", "1", "ab" * 32, "cpu"),
    calibrated=False,
    clock_synced=True,
    severity="info",
)
VALIDATOR = jsonschema.Draft202012Validator(event_schema(), format_checker=jsonschema.FormatChecker())


def event(phase: Phase = Phase.START, **changes: Any) -> Event:
    values: dict[str, Any] = {
        "event_id": "e1", "phase": phase, "label": "siren", "score": 0.87654321, "peak_score": 0.9, "onset": 0,
        "end": None, "decided": 16_000, "laeq_db": -31.26, "lafmax_db": -20.0,
    }  # fmt: skip
    return Event(**{**values, **changes})


def message(phase: Phase = Phase.START, end_s: float | None = None, sequence: int = 7) -> dict[str, Any]:
    end = None if end_s is None else round(end_s * RATE)
    stamp = Stamp("id-1", sequence, NOON + timedelta(seconds=9))
    return cloud_event(event(phase, end=end, decided=RATE * 3 // 2), CONTEXT, stamp, onset=NOON, rate_hz=RATE)


def test_a_start_is_the_cloud_event_of_the_contract() -> None:
    """All attributes have their documented places."""
    answer = message()
    assert {
        key: answer[key]
        for key in ("specversion", "id", "source", "subject", "type", "time", "recordedtime", "sequence")
    } == {
        "specversion": "1.0",
        "id": "id-1",
        "source": "urn:tocsin:lamp-7:mic",
        "subject": "siren",
        "type": "io.tocsin.sound.start.v1",
        "time": "2026-03-01T12:00:00.000Z",
        "recordedtime": "2026-03-01T12:00:09.000Z",
        "sequence": "00000000000000000007",
    }
    data = answer["data"]
    assert (data["score"], data["laeq"], data["duration_s"], data["end_time"]) == (0.8765, -31.3, 1.5, None)
    assert data["model"] == {"id": "city", "version": "1", "sha256": "ab" * 32, "provider": "cpu"}
    assert data["clock"] == {"synced": True}


def test_an_end_is_about_the_moment_the_sound_ended() -> None:
    """The time is not that of the decision."""
    answer = message(Phase.END, end_s=1.0)
    assert answer["time"] == answer["data"]["end_time"] == "2026-03-01T12:00:01.000Z"
    assert answer["data"]["duration_s"] == 1.0


def pattern(name: str = "triple", intervals_ms: tuple[int, ...] = (310, 290)) -> dict[str, Any]:
    onsets = tuple(itertools.accumulate((gap * RATE // 1000 for gap in intervals_ms), initial=5))
    heard = Pattern(name, onsets, decided=5 + RATE * 3 // 2, confidence=0.87654321)
    stamp = Stamp("id-1", 7, NOON + timedelta(seconds=9))
    return pattern_event(heard, CONTEXT, stamp, first=NOON, rate_hz=RATE)


def test_a_pattern_is_one_finished_event_about_its_last_clap() -> None:
    """It is a finished event for the history, without a level."""
    answer = pattern()
    VALIDATOR.validate(json.loads(json.dumps(answer)))
    assert (answer["type"], answer["subject"]) == ("io.tocsin.pattern.v1", "triple")
    assert answer["time"] == answer["data"]["end_time"] == "2026-03-01T12:00:00.600Z"
    data = answer["data"]
    assert (data["phase"], data["onset_time"], data["duration_s"]) == ("end", "2026-03-01T12:00:00.000Z", 0.6)
    assert (data["intervals_ms"], data["confidence"], data["peak_score"]) == ([310, 290], 0.8765, 0.8765)
    assert (data["laeq"], data["event_id"]) == (None, answer["id"])


def test_a_sound_in_the_away_mode_is_about_its_beginning() -> None:
    """It lasts until it was reported."""
    answer = pattern("sound", ())
    VALIDATOR.validate(json.loads(json.dumps(answer)))
    assert (answer["subject"], answer["time"]) == ("sound", "2026-03-01T12:00:00.000Z")
    assert (answer["data"]["end_time"], answer["data"]["duration_s"]) == ("2026-03-01T12:00:01.500Z", 1.5)


def test_a_sources_clap_topic_says_what_home_assistant_reads() -> None:
    """The message has a type and attributes."""
    assert pattern_message("double", NOON, [310], 0.98765) == {
        "event_type": "double",
        "time": "2026-03-01T12:00:00.000Z",
        "intervals_ms": [310],
        "confidence": 0.9877,
    }


@pytest.mark.parametrize(
    "spoil",
    [
        lambda m: m["data"].pop("intervals_ms"),
        lambda m: m["data"].update(confidence=1.5),
        lambda m: m["data"].update(phase="start"),
        lambda m: m["data"].update(laeq=-30.0),
        lambda m: m.update(type="io.tocsin.sound.end.v1"),
    ],
)
def test_the_schema_does_not_mix_patterns_and_sounds(spoil: Any) -> None:
    """Each kind has its own fields."""
    answer = pattern()
    spoil(answer)
    assert list(VALIDATOR.iter_errors(answer))


@given(
    st.sampled_from(list(Phase)),
    st.floats(0, 1),
    st.floats(-130, 130),
    st.one_of(st.none(), st.floats(0, 1e5)),
    st.integers(0, 10**19),
)
def test_every_message_is_valid_against_the_schema(
    phase: Phase, score: float, level: float, end_s: float | None, sequence: int
) -> None:
    """For all values."""
    end = None if end_s is None else round(end_s * RATE)
    record = event(phase, score=score, peak_score=score, laeq_db=level, lafmax_db=level, end=end)
    answer = cloud_event(record, CONTEXT, Stamp("x", sequence, NOON), onset=NOON, rate_hz=RATE, clip="e1.flac")
    VALIDATOR.validate(json.loads(json.dumps(answer)))
    data = answer["data"]
    if end_s is not None:
        lasted_s = (parse_rfc3339(data["end_time"]) - NOON).total_seconds()
        assert lasted_s == data["duration_s"] == pytest.approx(end_s, abs=0.001)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda m: m.pop("sequence"),
        lambda m: m.update(sequence="7"),
        lambda m: m["data"].update(phase="begin"),
        lambda m: m["data"].update(score=1.5),
        lambda m: m["data"].update(surprise=1),
        lambda m: m["data"].update(confidence=0.5),
        lambda m: m["data"].update(laeq=None),
        lambda m: m.update(source="mic"),
    ],
)
def test_the_schema_refuses_what_is_no_message(spoil: Any) -> None:
    """Invalid messages are refused."""
    answer = message()
    spoil(answer)
    assert list(VALIDATOR.iter_errors(answer))


def test_the_end_of_a_killed_processs_event_says_that_something_is_missing() -> None:
    """It ends with the last message, with a gap, under the same event id."""
    last = message(Phase.UPDATE)
    end = make_ending(last, Stamp("id-2", 8, NOON + timedelta(hours=1)))
    VALIDATOR.validate(end)
    assert end["type"] == "io.tocsin.sound.end.v1"
    assert end["data"]["event_id"] == last["data"]["event_id"]
    assert end["data"]["end_time"] == "2026-03-01T12:00:01.500Z"
    assert (end["data"]["gap"], end["data"]["duration_s"], end["sequence"][-1]) == (True, 1.5, "8")


@pytest.mark.parametrize("phase", [Phase.START, Phase.UPDATE])
def test_the_end_of_a_killed_processs_event_is_where_its_length_says(phase: Phase) -> None:
    """Also if the only message is the `start`."""
    end = make_ending(message(phase), Stamp("id-2", 8, NOON - timedelta(days=20_000)))
    assert end["time"] == end["data"]["end_time"] == "2026-03-01T12:00:01.500Z"
    assert end["data"]["duration_s"] == 1.5


def test_topics_are_those_of_the_contract() -> None:
    """They are written out here, so that a change of code cannot change them unnoticed."""
    where = topics.Topics("tocsin", "lamp-7")
    assert where.status == "tocsin/lamp-7/status"
    assert where.info == "tocsin/lamp-7/info"
    assert where.source_status("mic") == "tocsin/lamp-7/mic/status"
    assert where.event("mic") == "tocsin/lamp-7/mic/event"
    assert where.sound("mic", "siren") == "tocsin/lamp-7/mic/sound/siren"
    assert where.level("mic") == "tocsin/lamp-7/mic/level"
    assert where.clap("mic") == "tocsin/lamp-7/mic/clap"
    assert where.away_set == "tocsin/lamp-7/away/set"
    assert where.away_state == "tocsin/lamp-7/away/state"
    assert where.detect_set() == "tocsin/lamp-7/+/detect/set"
    assert where.detect_state("mic") == "tocsin/lamp-7/mic/detect/state"


@pytest.mark.parametrize(
    ("text", "name"), [("Lamp Post 7", "lamp-post-7"), ("Zürich.local", "zurich-local"), ("--a--", "a")]
)
def test_names_become_slugs(text: str, name: str) -> None:
    """Any host name becomes a valid level of a topic."""
    assert topics.slug(text) == name


def test_labels_of_every_script_have_topics_of_their_own() -> None:
    """The topic of a label is stable and unique, also without Latin letters."""
    where = topics.Topics("t", "n")
    found = [where.sound("mic", label) for label in ("Glas & Bruch", "犬吠え", "сирена", "🔔")]
    assert found[:2] == ["t/n/mic/sound/glas-bruch", "t/n/mic/sound/label-4a15a041"]
    assert len(set(found)) == len(found)
    assert not any(topics.find_flaw(topic) for topic in found)


def test_a_name_of_nothing_but_signs_is_refused() -> None:
    """A topic must not have an empty level."""
    with pytest.raises(ConfigError, match=r"node\.id"):
        topics.slug("+/#")


@pytest.mark.parametrize(
    ("topic", "why"),
    [
        ("tocsin/n/mic/event", ""), ("", "empty"), ("a/+", "+"), ("a#", "#"), ("a/\x00", "control"), ("a\n", "control"),
        ("a\x85", "control"), ("a/\ud800", "control"), ("ü" * 40_000, "longer"), ("zürich/🎤", ""),
    ],
)  # fmt: skip
def test_a_topic_that_no_broker_takes_is_known_before_it_is_sent(topic: str, why: str) -> None:
    """Some brokers end the connection at it, and would at every attempt."""
    flaw = topics.find_flaw(topic)
    assert (why in flaw) if why else not flaw
