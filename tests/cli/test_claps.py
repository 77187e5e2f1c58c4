"""`tocsin claps`: learning a pattern, and watching what becomes of every onset."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from edge import cli
from edge.claps.listener import HeardOnset
from edge.cli import claps
from edge.data import street_path
from edge.settings.load import load_settings
from edge.types import Clap, Pattern

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from edge.settings.tree import Settings, Source
    from edge.types import AudioBlock
    from tests.cli.conftest import Tocsin

RATE_HZ = 16_000
STEP_S = 0.25


def heard(at_s: float, why: str = "") -> HeardOnset:
    at = round(at_s * RATE_HZ)
    return HeardOnset(at, -20.0, 0.1, None, why) if why else HeardOnset(at, -20.0, 0.9, Clap(at, 0.9, -20.0), "")


def pattern(*at_s: float, decided_s: float, reason: str = "", detail: str = "") -> Pattern:
    onsets = tuple(round(s * RATE_HZ) for s in at_s)
    return Pattern("double", onsets, round(decided_s * RATE_HZ), 0.9, reason=reason, detail=detail)


class Sound:
    """A source of which it is known what is heard in it; remembers who listens."""

    def __init__(self, *found: HeardOnset | Pattern) -> None:
        self.found = found
        self.asked: list[tuple[Settings, Source]] = []

    def open(self, settings: Settings, source: Source) -> claps.Hearing:
        self.asked.append((settings, source))
        return claps.Hearing(RATE_HZ, self._steps())

    def _steps(self) -> Iterator[claps.Step]:
        step = round(STEP_S * RATE_HZ)
        for begin in range(0, 20 * RATE_HZ, step):
            now = range(begin, begin + step)
            onsets = [one for one in self.found if isinstance(one, HeardOnset) and one.at in now]
            patterns = [one for one in self.found if isinstance(one, Pattern) and one.decided in now]
            yield claps.Step(begin + step, onsets, patterns)


@pytest.fixture
def listen_to(monkeypatch: pytest.MonkeyPatch, home: dict[str, str]) -> Any:
    monkeypatch.setenv("HOME", home["HOME"])

    def use(*found: HeardOnset | Pattern) -> Sound:
        sound = Sound(*found)
        monkeypatch.setattr(claps, "open_hearing", sound.open)
        return sound

    return use


def rhythm(begin_s: float) -> list[HeardOnset]:
    return [heard(begin_s + s) for s in (0.0, 0.6, 0.65, 0.9)]


def test_learn(listen_to: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It asks for each take and prints lines that the configuration takes; strays and echoes do not disturb."""
    sound = listen_to(*rhythm(1.0), heard(4.0), heard(6.0, "goes on"), *rhythm(8.0), *rhythm(13.0), *rhythm(17.0))
    assert cli.main(["claps", "learn", "lamp", "--source", "mic"]) == 0
    said = capsys.readouterr()
    path = tmp_path / "tocsin.toml"
    path.write_text(said.out)
    assert load_settings(path, environ={}).claps.patterns["lamp"].rhythm == (1.0, 0.5)
    assert [line for line in said.err.splitlines() if line.startswith(("Take", " "))] == [
        "Take 1 of 3: clap your pattern …",
        "  3 claps, 600, 300 ms apart",
        "Take 2 of 3: once more …",
        "  3 claps, 600, 300 ms apart",
        "Take 3 of 3: once more …",
        "  3 claps, 600, 300 ms apart",
    ]
    ((settings, source),) = sound.asked
    assert (settings.claps.enabled, source.spec) == (True, "mic")


def test_learn_from_what_there_is(listen_to: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """At the end of a recording the takes so far count, the one that goes on too."""
    listen_to(*rhythm(1.0), *rhythm(19.05))
    assert cli.main(["claps", "learn", "--takes", "5"]) == 0
    assert capsys.readouterr().out.startswith("[claps.patterns.own]\nrhythm = [1.0, 0.5]\n")


def test_learn_from_too_little_is_65(listen_to: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """One take does not tell what the next may differ by."""
    listen_to(*rhythm(1.0))
    assert cli.main(["claps", "learn"]) == 65
    assert capsys.readouterr().err.splitlines()[-1].startswith("tocsin: there is 1 take of two or more claps")


@pytest.mark.parametrize("name", ["Lamp", "sound", "a b", ""])
def test_a_bad_name_is_64(listen_to: Any, name: str) -> None:
    """It is said before anybody claps."""
    sound = listen_to()
    assert cli.main(["claps", "learn", name]) == 64
    assert sound.asked == []


def test_shows_everything(listen_to: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Each onset with what it was taken for, each pattern, and what was held against it."""
    listen_to(
        heard(1.0),
        heard(1.2, "goes on"),
        heard(1.4),
        pattern(1.0, 1.4, decided_s=2.15),
        pattern(5.0, 5.4, decided_s=6.15, reason="levels differ", detail="by 16 dB"),
    )
    assert cli.main(["claps", "test"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "    1.000 s   -20.0 dB  0.90  clap",
        "    1.200 s   -20.0 dB  0.10  not counted: goes on",
        "    1.400 s   -20.0 dB  0.90  clap",
        "    2.150 s  DOUBLE  gaps 400 ms  confidence 0.90",
        "    6.150 s  DOUBLE  gaps 400 ms  not counted: levels differ, by 16 dB",
    ]


def test_shows_json(listen_to: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """One object a line."""
    listen_to(heard(1.2, "goes on"), pattern(1.0, 1.4, decided_s=2.15))
    assert cli.main(["claps", "test", "--json"]) == 0
    onset, found = map(json.loads, capsys.readouterr().out.splitlines())
    assert onset == {"onset_s": 1.2, "level_db": -20.0, "probability": 0.1, "clap": False, "why": "goes on"}
    assert found == {
        "pattern": "double",
        "decided_s": 2.15,
        "onsets_s": [1.0, 1.4],
        "intervals_ms": [400],
        "confidence": 0.9,
        "reason": "",
        "detail": "",
    }


@pytest.mark.parametrize(
    ("arguments", "name"), [((), "door"), (("--source", "mic"), "mic"), (("--source", "hall=mic"), "hall")]
)
def test_which_source(listen_to: Any, tmp_path: Path, arguments: Sequence[str], name: str) -> None:
    """The first that takes part and is enabled, or the one that is named."""
    path = tmp_path / "tocsin.toml"
    path.write_text(
        '[claps]\nsources = ["off", "door"]\n'
        '[[sources]]\nname = "street"\nspec = "udp://:5005"\n'
        '[[sources]]\nname = "off"\nspec = "udp://:5006"\nenabled = false\n'
        '[[sources]]\nname = "door"\nspec = "mic"\n'
    )
    sound = listen_to()
    assert cli.main(["claps", "test", "--config", str(path), *arguments]) == 0
    ((settings, source),) = sound.asked
    assert (source.name, settings.claps.sources) == (name, (name,))


class Line:
    """A pipeline that counts what it is given, and finds one clap at its end."""

    def __init__(self) -> None:
        self.samples, self.over, self.claps = 0, False, self

    def push(self, block: AudioBlock, classifier: object) -> list[Any]:
        self.samples += block.samples.size
        return []

    def finish(self, classifier: object) -> list[Any]:
        self.over = True
        return []

    def take_onsets(self) -> list[HeardOnset]:
        return [heard(1.5)] if self.over else []

    def take_patterns(self) -> list[Pattern]:
        return []


def test_a_recording_is_heard_to_its_end(
    silence: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All of it goes through the pipeline, and what its end decides is shown."""
    line, bundle = Line(), SimpleNamespace(params=SimpleNamespace(sample_rate_hz=RATE_HZ))
    monkeypatch.setattr(claps, "model_of", lambda settings: (SimpleNamespace(bundle=bundle), settings))
    monkeypatch.setattr(claps, "clap_network_of", lambda settings: None)
    monkeypatch.setattr(claps, "build_pipeline", lambda bundle, settings, *, source, clap_network: line)
    assert cli.main(["claps", "test", "--source", f"file:{silence}?speed=max"]) == 0
    assert line.samples == 2 * RATE_HZ
    assert capsys.readouterr().out == "    1.500 s   -20.0 dB  0.90  clap\n"


@pytest.mark.parametrize("command", ["learn", "test"])
def test_a_recording_that_is_not_there_is_66(tocsin: Tocsin, tmp_path: Path, command: str) -> None:
    """It is not waited for."""
    answer = tocsin("claps", command, "--source", f"file:{tmp_path / 'no.wav'}")
    assert answer.returncode == 66
    assert answer.stdout == ""
    assert answer.stderr.startswith("tocsin: ")
    assert answer.stderr.count("\n") == 1


def test_what_only_stands_out_is_not_shown(tocsin: Tocsin) -> None:
    """A street that the away mode would report has onsets, and nothing that nobody asked for here."""
    answer = tocsin("claps", "test", "--json", "--source", f"file:{street_path()}?speed=max")
    assert answer.returncode == 0
    assert all("onset_s" in json.loads(line) for line in answer.stdout.splitlines())
    assert answer.stdout.count("\n") > 3
