"""`tocsin claps`: learning of a pattern, and display of onsets."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from edge import cli
from edge.claps.listener import JudgedOnset
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


def make_onset(at_s: float, why: str = "") -> JudgedOnset:
    at = round(at_s * RATE_HZ)
    return JudgedOnset(at, -20.0, 0.1, None, why) if why else JudgedOnset(at, -20.0, 0.9, Clap(at, 0.9, -20.0), "")


def make_pattern(*at_s: float, decided_s: float, reason: str = "", detail: str = "") -> Pattern:
    onsets = tuple(round(s * RATE_HZ) for s in at_s)
    return Pattern("double", onsets, round(decided_s * RATE_HZ), 0.9, reason=reason, detail=detail)


class FakeSource:
    """A source with given onsets and patterns; records how it was opened."""

    def __init__(self, *found: JudgedOnset | Pattern) -> None:
        self.found = found
        self.asked: list[tuple[Settings, Source]] = []

    def open(self, settings: Settings, source: Source) -> claps.ClapStream:
        self.asked.append((settings, source))
        return claps.ClapStream(RATE_HZ, self._steps())

    def _steps(self) -> Iterator[claps.StepResult]:
        step = round(STEP_S * RATE_HZ)
        for begin in range(0, 20 * RATE_HZ, step):
            now = range(begin, begin + step)
            onsets = [one for one in self.found if isinstance(one, JudgedOnset) and one.at in now]
            patterns = [one for one in self.found if isinstance(one, Pattern) and one.decided in now]
            yield claps.StepResult(begin + step, onsets, patterns)


@pytest.fixture
def listen_to(monkeypatch: pytest.MonkeyPatch, home: dict[str, str]) -> Any:
    monkeypatch.setenv("HOME", home["HOME"])

    def use(*found: JudgedOnset | Pattern) -> FakeSource:
        sound = FakeSource(*found)
        monkeypatch.setattr(claps, "open_stream", sound.open)
        return sound

    return use


def make_rhythm(begin_s: float) -> list[JudgedOnset]:
    return [make_onset(begin_s + s) for s in (0.0, 0.6, 0.65, 0.9)]


def test_learn(listen_to: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It asks for each take and prints a valid configuration, despite single claps and echoes."""
    sound = listen_to(
        *make_rhythm(1.0),
        make_onset(4.0),
        make_onset(6.0, "goes on"),
        *make_rhythm(8.0),
        *make_rhythm(13.0),
        *make_rhythm(17.0),
    )
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


def test_learn_from_fewer_takes(listen_to: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """At the end of a recording, the takes so far count, including an unfinished one."""
    listen_to(*make_rhythm(1.0), *make_rhythm(19.05))
    assert cli.main(["claps", "learn", "--takes", "5"]) == 0
    assert capsys.readouterr().out.startswith("[claps.patterns.own]\nrhythm = [1.0, 0.5]\n")


def test_learn_from_too_little_is_65(listen_to: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """One take is not enough to learn the deviations."""
    listen_to(*make_rhythm(1.0))
    assert cli.main(["claps", "learn"]) == 65
    assert capsys.readouterr().err.splitlines()[-1].startswith("tocsin: there is 1 take of two or more claps")


@pytest.mark.parametrize("name", ["Lamp", "sound", "a b", ""])
def test_a_bad_name_is_64(listen_to: Any, name: str) -> None:
    """An invalid name is refused before the source is opened."""
    sound = listen_to()
    assert cli.main(["claps", "learn", name]) == 64
    assert sound.asked == []


def test_shows_everything(listen_to: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Every onset is shown with its verdict, every pattern with its reason."""
    listen_to(
        make_onset(1.0),
        make_onset(1.2, "goes on"),
        make_onset(1.4),
        make_pattern(1.0, 1.4, decided_s=2.15),
        make_pattern(5.0, 5.4, decided_s=6.15, reason="levels differ", detail="by 16 dB"),
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
    """The output is one JSON object per line."""
    listen_to(make_onset(1.2, "goes on"), make_pattern(1.0, 1.4, decided_s=2.15))
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
    """The first enabled source that takes part is used, or the one on the command line."""
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


class FakePipeline:
    """A pipeline that counts samples and finds one clap at its end."""

    def __init__(self) -> None:
        self.samples, self.over, self.claps = 0, False, self

    def push(self, block: AudioBlock, classifier: object) -> list[Any]:
        self.samples += block.samples.size
        return []

    def finish(self, classifier: object) -> list[Any]:
        self.over = True
        return []

    def take_onsets(self) -> list[JudgedOnset]:
        return [make_onset(1.5)] if self.over else []

    def take_patterns(self) -> list[Pattern]:
        return []


def test_a_recording_is_processed_to_its_end(
    silence: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All samples go through the pipeline, and onsets found at its end are shown."""
    line, bundle = FakePipeline(), SimpleNamespace(params=SimpleNamespace(sample_rate_hz=RATE_HZ))
    monkeypatch.setattr(claps, "load_model", lambda settings: (SimpleNamespace(bundle=bundle), settings))
    monkeypatch.setattr(claps, "load_clap_classifier", lambda settings: None)
    monkeypatch.setattr(claps, "build_pipeline", lambda bundle, settings, *, source, clap_network: line)
    assert cli.main(["claps", "test", "--source", f"file:{silence}?speed=max"]) == 0
    assert line.samples == 2 * RATE_HZ
    assert capsys.readouterr().out == "    1.500 s   -20.0 dB  0.90  clap\n"


@pytest.mark.parametrize("command", ["learn", "test"])
def test_a_recording_that_is_not_there_is_66(tocsin: Tocsin, tmp_path: Path, command: str) -> None:
    """A missing recording ends the command."""
    answer = tocsin("claps", command, "--source", f"file:{tmp_path / 'no.wav'}")
    assert answer.returncode == 66
    assert answer.stdout == ""
    assert answer.stderr.startswith("tocsin: ")
    assert answer.stderr.count("\n") == 1


def test_the_away_mode_is_not_part_of_the_command(tocsin: Tocsin) -> None:
    """A street scene gives onsets only: the away mode is not part of this command."""
    answer = tocsin("claps", "test", "--json", "--source", f"file:{street_path()}?speed=max")
    assert answer.returncode == 0
    assert all("onset_s" in json.loads(line) for line in answer.stdout.splitlines())
    assert answer.stdout.count("\n") > 3
