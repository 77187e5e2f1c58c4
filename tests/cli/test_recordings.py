"""`classify` and `replay` through the real command, with the bundle that ships."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import numpy as np
import pytest
import soundfile as sf

from edge import cli
from edge.data import street_path
from edge.publish.payload import event_schema

if TYPE_CHECKING:
    from tests.cli.conftest import Tocsin

HONKS_S = (2.3, 3.3)
"""Seconds within which the event may begin: two honks sound from 2.5 to 3.5 s."""
STREET_TRUTH = Path(__file__).parents[1] / "data" / "street.json"
SLACK_S = 1.0


def test_classify_as_json(tocsin: Tocsin, horn: Path) -> None:
    """The output is one object per line: the path and the answer of POST /classify, best labels first."""
    answer = tocsin("classify", "--json", horn)
    assert answer.returncode == 0
    (line,) = answer.stdout.splitlines()
    result = json.loads(line)
    assert set(result) == {"path", "model", "duration_s", "sample_rate", "labels", "events", "timing_ms"}
    assert result["path"] == str(horn)
    assert result["sample_rate"] == 32_000
    scores = [entry["score"] for entry in result["labels"]]
    assert scores == sorted(scores, reverse=True)
    assert "horn" in {event["label"] for event in result["events"]}


def test_classify_options(tocsin: Tocsin, horn: Path) -> None:
    """--top-k limits the labels, --hop sets the step, and a too long hop is wrong usage."""
    answer = tocsin("classify", "--json", "--top-k", "2", "--hop", "0.5", horn)
    assert len(json.loads(answer.stdout)["labels"]) == 2
    answer = tocsin("classify", "--hop", "60", horn)
    assert answer.returncode == 64
    assert "hop" in answer.stderr


def test_classify_as_table(tocsin: Tocsin, horn: Path) -> None:
    """The table has one line per file."""
    head, line = tocsin("classify", horn).stdout.splitlines()
    assert head.split() == ["file", "seconds", "labels", "events"]
    assert line.startswith(str(horn))
    horned = re.search(r"horn ([\d.]+)-", line)
    assert horned
    onset_s = float(horned[1])
    assert HONKS_S[0] <= onset_s <= HONKS_S[1]


def test_a_recording_in_opposite_phase_is_classified_with_a_remark(tocsin: Tocsin, horn: Path, tmp_path: Path) -> None:
    """A remark is printed and part of the answer; labels and events are those of one channel."""
    samples, rate_hz = sf.read(horn, dtype="float32")
    sf.write(tmp_path / "opposite.wav", np.column_stack((samples, -samples)), rate_hz, "FLOAT")
    answer = tocsin("classify", "--json", horn, tmp_path / "opposite.wav")
    alone, opposite = map(json.loads, answer.stdout.splitlines())
    said = "its channels cancel each other; channel 1 of 2 alone is heard"
    assert (answer.returncode, opposite["remark"]) == (0, said)
    assert answer.stderr == f"tocsin: {tmp_path}/opposite.wav: {said}\n"
    assert "remark" not in alone
    assert [event["label"] for event in opposite["events"]] == [event["label"] for event in alone["events"]]
    replayed = tocsin("replay", tmp_path / "opposite.wav")
    assert replayed.stderr == answer.stderr


def test_one_sample_that_is_no_sound_makes_a_recording_damaged(tocsin: Tocsin, horn: Path, tmp_path: Path) -> None:
    """The exit code is 65, with one line and without output."""
    samples, rate_hz = sf.read(horn, dtype="float32")
    samples[2 * rate_hz] = 1e30
    sf.write(tmp_path / "huge.wav", samples, rate_hz, "FLOAT")
    for command in (["classify", "--json"], ["replay"]):
        answer = tocsin(*command, tmp_path / "huge.wav")
        assert (answer.returncode, answer.stdout) == (65, "")
        assert answer.stderr.startswith(
            f"tocsin: {tmp_path}/huge.wav: the file is damaged: its sample at 2.0 s is 1e+30"
        )
        assert answer.stderr.count("\n") == 1


def test_bad_files_do_not_stop_the_others(tocsin: Tocsin, horn: Path, tmp_path: Path) -> None:
    """Each bad file is reported in one line, the others are classified, and the exit code is not 0."""
    (tmp_path / "notes.wav").write_text("no sound")
    answer = tocsin("classify", "--json", tmp_path / "absent.wav", horn, tmp_path / "notes.wav")
    assert [json.loads(line)["path"] for line in answer.stdout.splitlines()] == [str(horn)]
    assert [line.partition(":")[0] for line in answer.stderr.splitlines()] == ["tocsin", "tocsin"]
    assert answer.returncode == 65
    assert tocsin("classify", tmp_path / "absent.wav").returncode == 66


def test_a_folder_without_recordings_is_66(tocsin: Tocsin, horn: Path, tmp_path: Path) -> None:
    """The folder is reported in one line, and the other paths are classified."""
    (tmp_path / "none").mkdir()
    answer = tocsin("classify", "--json", tmp_path / "none", horn)
    assert answer.returncode == 66
    assert answer.stderr.startswith(f"tocsin: {tmp_path}/none: there is no recording in this folder")
    assert answer.stderr.count("\n") == 1
    assert json.loads(answer.stdout)["path"] == str(horn)


def test_folders_are_searched(tocsin: Tocsin, horn: Path, tmp_path: Path) -> None:
    """Recordings below a folder are found in order; other files are skipped."""
    folder = tmp_path / "clips"
    (folder / "b").mkdir(parents=True)
    shutil.copy(horn, folder / "b" / "two.WAV")
    shutil.copy(horn, folder / "a.wav")
    (folder / "notes.txt").write_text("no sound")
    os.mkfifo(folder / "pipe.wav")
    answer = tocsin("classify", "--json", "--top-k", "1", folder)
    assert [json.loads(line)["path"] for line in answer.stdout.splitlines()] == [
        str(folder / "a.wav"),
        str(folder / "b" / "two.WAV"),
    ]


@pytest.mark.parametrize("words", [("classify",), ("replay",), ("config", "check", "--config")], ids=" ".join)
def test_permissions_are_checked_by_opening_a_file(
    words: tuple[str, ...], horn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Permissions are not checked in advance, which would end the command as wrong usage."""
    (tmp_path / "tocsin.toml").touch()
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert cli.main([*words, str(tmp_path / "tocsin.toml" if "check" in words else horn)]) == 0


def strip_event(line: str) -> dict[str, Any]:
    """Return an event without ids and wall times, which differ between runs."""
    event: dict[str, Any] = json.loads(line)
    for name in ("id", "time", "recordedtime"):
        del event[name]
    for name in ("event_id", "onset_time", "end_time"):
        del event["data"][name]
    return event


def test_replay_is_the_same_at_every_speed(tocsin: Tocsin, horn: Path) -> None:
    """The events at full speed and at eight times real time are the same."""
    fast, slow = (tocsin("replay", horn, "--speed", speed) for speed in ("max", "8"))
    assert fast.returncode == slow.returncode == 0
    assert fast.stdout.count("\n") >= 2
    assert [strip_event(line) for line in fast.stdout.splitlines()] == [
        strip_event(line) for line in slow.stdout.splitlines()
    ]


def test_replay_prints_cloud_events(tocsin: Tocsin, horn: Path) -> None:
    """Each line follows the published schema and has the position of the sound in the file."""
    answer = tocsin("replay", horn, "--source-name", "corner")
    events = [json.loads(line) for line in answer.stdout.splitlines()]
    start = events[0]
    end = next(event for event in events if event["data"]["phase"] == "end")
    for event in events:
        jsonschema.validate(event, event_schema())
    assert start["source"].endswith(":corner")
    assert (start["subject"], start["type"]) == ("horn", "io.tocsin.sound.start.v1")
    assert HONKS_S[0] <= start["data"]["onset_s"] <= HONKS_S[1]
    assert end["data"]["end_s"] > start["data"]["onset_s"]


def test_replay_of_nothing(tocsin: Tocsin, silence: Path, tmp_path: Path) -> None:
    """Silence gives no events; a missing file gives exit code 66, a text file 65."""
    answer = tocsin("replay", silence)
    assert (answer.returncode, answer.stdout) == (0, "")
    assert tocsin("replay", tmp_path / "absent.wav").returncode == 66
    (tmp_path / "notes.wav").write_text("no sound")
    assert tocsin("replay", tmp_path / "notes.wav").returncode == 65


def test_replay_writes_each_event_at_once(home: dict[str, str], horn: Path) -> None:
    """An event is written before the recording ends."""
    command = [sys.executable, "-m", "edge", "replay", str(horn), "--speed", "1"]
    with subprocess.Popen(command, env=home, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert json.loads(process.stdout.readline())["subject"] == "horn"
        assert process.poll() is None
        process.terminate()


def test_street_scene_is_detected(tocsin: Tocsin) -> None:
    """Every event of the scene is reported within its span, and no other."""
    truth = json.loads(STREET_TRUTH.read_text(encoding="utf-8"))["events"]
    events = [json.loads(line) for line in tocsin("replay", street_path()).stdout.splitlines()]
    onsets = [(e["subject"], e["data"]["onset_s"]) for e in events if e["data"]["phase"] == "start"]

    def matches(span: dict[str, Any], label: str, onset_s: float) -> bool:
        near: bool = span["onset_s"] - SLACK_S <= onset_s <= span["end_s"] + SLACK_S
        return near and label == span["label"]

    assert [span for span in truth if not any(matches(span, *onset) for onset in onsets)] == []
    assert [onset for onset in onsets if not any(matches(span, *onset) for span in truth)] == []


@pytest.mark.parametrize("late_s", [0.016, 0.047, 0.078, 0.109])
def test_the_scene_has_no_shot_before_its_first(tocsin: Tocsin, tmp_path: Path, late_s: float) -> None:
    """At any offset of the decisions, and at half the threshold, the fade-in causes no gunshot."""
    samples, rate_hz = sf.read(street_path(), dtype="float32", frames=20 * 32_000)
    sf.write(tmp_path / "late.wav", np.concatenate([np.zeros(round(late_s * rate_hz)), samples]), rate_hz)
    (tmp_path / "keen.toml").write_text("[detection.classes.gunshot]\non = 0.3\noff = 0.2\n")
    lines = tocsin("replay", tmp_path / "late.wav", "--config", tmp_path / "keen.toml").stdout.splitlines()
    assert {json.loads(line)["subject"] for line in lines} == {"traffic", "siren"}
