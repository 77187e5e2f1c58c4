"""The capture process with a fake sounddevice: opened devices and answers."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge.audio.sources import microphone
from edge.audio.sources.devices import Microphone, list_microphones
from edge.audio.sources.microphone import MicrophoneSource
from edge.errors import SourceUnavailable, Unavailable
from edge.types import SourceState

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.audio.listener import Listener

FAKE = """
import time
from array import array

class PortAudioError(Exception):
    def __str__(self):
        return self.args[0]

class default:
    device = (DEFAULT, -1)

def query_hostapis():
    return ({"name": "ALSA"},)

def query_devices():
    rest = {"hostapi": 0, "default_samplerate": 44100.0}
    return [
        {"index": 0, "name": "Speaker (hw:0,0)", "max_input_channels": 0, **rest},
        {"index": 1, "name": "Array (hw:1,0)", "max_input_channels": 6, **rest},
        {"index": 2, "name": "Array, spare (hw:98,0)", "max_input_channels": 1, **rest},
        {"index": 3, "name": "Array, old (hw:99,0)", "max_input_channels": 1, **rest},
    ][:DEVICES]

class RawInputStream:
    def __init__(self, *, samplerate, channels, dtype, device, blocksize, latency):
        REFUSAL
        assert (device, dtype) == (DEVICES // 2, "int16")
        self.samplerate, self.channels, self.count = samplerate, channels, 0

    def start(self):
        pass

    def read(self, frames):
        time.sleep(frames / self.samplerate)
        self.count += 1
        if self.count == 10:
            LOSS
        return memoryview(array("h", [8192, 16384][:self.channels] * frames)), self.count == OVERFLOW_AT
"""


@pytest.fixture
def sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that installs the fake sounddevice, with some parts replaced."""
    monkeypatch.syspath_prepend(str(tmp_path))
    standard = {"DEFAULT": "1", "DEVICES": "2", "REFUSAL": "pass", "LOSS": "pass", "OVERFLOW_AT": "0"}

    def put(**parts: str) -> None:
        text = FAKE
        for word, code in {**standard, **parts}.items():
            text = text.replace(word, code)
        (tmp_path / "sounddevice.py").write_text(text)

    put()
    return put


def read_first_sound(wanted: str | None = None) -> tuple[MicrophoneSource, np.ndarray]:
    """Open a microphone, read the first samples and close it; return both."""
    source = MicrophoneSource(wanted)
    source.open()
    try:
        while True:
            chunk = source.read()
            assert chunk is not None
            if chunk.samples.size:
                return source, chunk.samples
    finally:
        source.close()


def read_error(source: MicrophoneSource) -> str:
    """Read until the source is lost; return its error."""
    try:
        while True:
            source.read()
    except SourceUnavailable as exc:
        return str(exc)


def test_the_default_microphone_is_opened_mono_at_48_khz(sound: Callable[..., None]) -> None:
    """48 kHz mono, which most devices support, is tried first."""
    source, samples = read_first_sound()
    assert (source.rate_hz, source.device) == (48_000, "Array (hw:1,0)")
    assert set(samples.tolist()) == {0.25}


def test_the_default_rate_is_used_if_48_khz_is_refused(sound: Callable[..., None]) -> None:
    """A device without 48 kHz is opened at its default rate."""
    sound(REFUSAL="if samplerate == 48000: raise PortAudioError('Invalid sample rate', -9997)")
    assert read_first_sound()[0].rate_hz == 44_100


def test_a_device_without_mono_is_opened_in_stereo(sound: Callable[..., None]) -> None:
    """Two channels are delivered, each with its own samples."""
    sound(REFUSAL="if channels == 1: raise PortAudioError('Invalid number of channels', -9998)")
    assert np.unique(read_first_sound()[1], axis=0).tolist() == [[0.25, 0.5]]


@pytest.mark.parametrize(
    ("parts", "wanted", "line"),
    [
        ({"DEVICES": "0"}, None, "there is no microphone; plug one in"),
        ({"DEFAULT": "-1"}, "Other", "there is no microphone 'Other'; there are Array"),
        ({"DEVICES": "0"}, "Other", "there is no microphone 'Other'; plug it in"),
        ({"REFUSAL": "raise PortAudioError('Device unavailable', -9985)"}, None, "another program uses the microphone"),
        ({"REFUSAL": "raise PortAudioError('x: Permission denied', -9999)"}, None, "add the user to the group audio"),
        ({"REFUSAL": "raise PortAudioError('Illegal', -1)"}, None, "cannot be opened: Illegal"),
        ({"REFUSAL": "raise KeyError('odd')"}, None, "cannot be opened: KeyError: 'odd'"),
        ({"LOSS": "raise PortAudioError('Input/output error', -9999)"}, None, "was lost: Input/output error"),
    ],
)
def test_every_failure_of_portaudio_has_a_message(
    sound: Callable[..., None], parts: dict[str, str], wanted: str | None, line: str
) -> None:
    """Each failure is one line with a remedy."""
    sound(**parts)
    source = MicrophoneSource(wanted)
    source.open()
    complaint = read_error(source)
    source.close()
    assert line in complaint


def test_ambiguous_microphones_are_logged_once(sound: Callable[..., None], caplog: pytest.LogCaptureFixture) -> None:
    """The first match is opened, and all matches are logged once with their unique ids."""
    sound(DEVICES="4")
    source, _ = read_first_sound("ARRAY,")
    assert source.device == "Array, spare (hw:98,0)"
    for _ in range(2):
        source.open()
        while (chunk := source.read()) is not None and not chunk.samples.size:
            continue
        source.close()
    said = "mic:ARRAY, matches 2 microphones, Array, spare, Array, old; the first is used, write which one is meant"
    assert [record.getMessage() for record in caplog.records] == [said]
    caplog.clear()
    read_first_sound("array, SPARE")
    assert caplog.records == []


def test_an_overflow_in_the_sound_system_is_a_gap(sound: Callable[..., None], listen: Callable[..., Listener]) -> None:
    """PortAudio does not report the length of a loss; the gap is one sample."""
    sound(OVERFLOW_AT="4")
    listener = listen("mic")
    listener.collect_seconds(0.5)
    assert [length for _, length in listener.gaps] == [1]
    assert listener.runner.stats().overflows_total == 1


def test_a_missing_microphone_is_not_tried_every_second(
    sound: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the gate is closed, the last error is raised again without a process."""
    sound(DEVICES="0")
    source = MicrophoneSource()
    monkeypatch.setattr(source._gate, "allows", lambda now_s: source._refusal == ("", ""))
    source.open()
    assert "plug one in" in read_error(source)
    source.close()
    with pytest.raises(SourceUnavailable, match="plug one in"):
        source.open()
    assert source._child is None


def test_the_capture_process_ends_with_its_parent(sound: Callable[..., None]) -> None:
    """It ends when its standard input is closed, even if the sound system hangs."""
    sound(REFUSAL="time.sleep(1000)")
    source = MicrophoneSource()
    source.open()
    child = source._child
    assert child is not None
    assert child.stdin is not None
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(0.5)
    child.stdin.close()
    assert child.wait(10) == 0
    source.close()


def test_a_sound_system_that_hangs_is_unavailable(sound: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    """If a microphone neither opens nor fails, it is unavailable, and its process is killed."""
    monkeypatch.setattr(microphone, "_OPEN_S", 0.3)
    sound(REFUSAL="time.sleep(1000)")
    source = MicrophoneSource()
    source.open()
    child = source._child
    assert read_error(source) == "the sound system does not answer"
    source.close()
    assert child is not None
    assert child.returncode is not None


def test_the_list_has_inputs_only(sound: Callable[..., None]) -> None:
    """Outputs are left out, and the default is marked."""
    sound(DEFAULT="-1")
    assert list_microphones() == [Microphone("Array", "Array (hw:1,0)", 6, 44_100, is_default=False, host_api="ALSA")]


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("raise OSError('PortAudio library not found')", "apt install libportaudio2"),
        ("raise ImportError('no sounddevice')", "pip install sounddevice"),
        ("raise RuntimeError('PortAudio is ill')", "PortAudio is ill"),
        ("import os; os._exit(3)", "does not answer"),
    ],
)
def test_a_sound_library_that_does_not_load(
    sound: Callable[..., None], tmp_path: Path, listen: Callable[..., Listener], module: str, line: str
) -> None:
    """Without PortAudio or sounddevice, microphones are unavailable, with a remedy."""
    (tmp_path / "sounddevice.py").write_text(module)
    with pytest.raises(Unavailable, match=line):
        list_microphones()
    listener = listen("mic")
    listener.collect_until(lambda: listener.runner.stats().detail not in {"", "not opened yet"})
    assert listener.runner.stats().state is SourceState.OFFLINE
