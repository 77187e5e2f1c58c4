"""The microphone with a real PulseAudio, PortAudio, capture process, ring and runner."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile as sf

from edge.audio.sources import microphone
from edge.audio.sources.devices import list_microphones
from edge.audio.sources.microphone import MicrophoneSource
from edge.errors import SourceUnavailable
from edge.types import SourceState
from tests.audio.listener import RATE, Listener

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeAlias

    from tests.support.pulse import Pulse

    Listen: TypeAlias = Callable[..., Listener]

ROOT = Path(__file__).parents[3]


def get_child(listener: Listener) -> subprocess.Popen[bytes]:
    """Return the capture process of a listener."""
    source = listener.runner._source
    assert isinstance(source, MicrophoneSource)
    assert source._child is not None
    return source._child


@pytest.mark.microphone
def test_a_tone_played_is_the_tone_heard(pulse: Pulse, listen: Listen, tmp_path: Path) -> None:
    """Level and frequency of a tone are right, without a gap."""
    tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(2 * 48_000) / 48_000)
    sf.write(tmp_path / "tone.wav", tone, 48_000)
    listener = listen("mic")
    listener.collect_until_state(SourceState.ONLINE)
    with pulse.play(tmp_path / "tone.wav"):
        listener.collect_until(lambda: listener.samples.size > 0 and np.abs(listener.samples).max() > 0.4)
        listener.collect_seconds(1.5)
    sound = listener.samples
    loud = int(np.argmax(np.abs(sound) > 0.4))
    second = sound[loud + RATE // 5 : loud + RATE // 5 + RATE]
    assert np.argmax(np.abs(np.fft.rfft(second))) == 1000
    assert np.sqrt(np.square(second).mean()) == pytest.approx(0.5 / np.sqrt(2), rel=0.02)
    assert listener.gaps == []
    assert listener.runner.stats().rate_hz == 48_000


@pytest.mark.microphone
def test_a_killed_capture_process_is_a_gap_and_is_restarted(pulse: Pulse, listen: Listen) -> None:
    """Within seconds the sound continues, after a gap as long as the loss."""
    listener = listen("mic")
    listener.collect_seconds(0.5)
    first = get_child(listener)
    os.kill(first.pid, signal.SIGKILL)
    listener.collect_until(lambda: len(listener.gaps) == 1, timeout_s=10)
    assert get_child(listener).pid != first.pid
    assert first.returncode == -signal.SIGKILL
    assert listener.runner.stats().gap_s_total > 0.01


@pytest.mark.microphone
def test_a_capture_process_that_hangs_is_replaced(pulse: Pulse, listen: Listen) -> None:
    """An open microphone without sound for 1.5 s is lost, even without an error."""
    listener = listen("mic")
    listener.collect_seconds(0.2)
    os.kill(get_child(listener).pid, signal.SIGSTOP)
    assert listener.collect_until_state(SourceState.OFFLINE) < 3
    assert "has stopped sending" in listener.runner.stats().detail
    listener.collect_until_state(SourceState.ONLINE)


SLOW_CHILD = """
import mmap, os, sys, time
from edge.audio.sources.ring import Ring
ring = Ring(mmap.mmap(int(sys.argv[2]), 0), 2)
os.write(1, b'{"rate_hz": 16000, "channels": 1, "device": "slow", "ambiguous": []}\\n')
time.sleep(0.8)
ring.write(bytes(3200))
os.write(1, b".")
time.sleep(60)
"""


def test_a_sound_system_may_start_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pause is a loss only after the first sound."""
    monkeypatch.setattr(microphone, "_STALL_S", 0.3)
    monkeypatch.setattr(microphone, "start_child", start_slow_child)
    source = MicrophoneSource()
    source.open()
    sound = next(chunk for chunk in iter(source.read, None) if chunk.samples.size)
    assert sound.samples.size == 1600
    with pytest.raises(SourceUnavailable, match="has stopped sending"):
        list(iter(source.read, None))
    source.close()


def start_slow_child(*arguments: str, descriptors: Sequence[int]) -> subprocess.Popen[bytes]:
    """Start a capture process that opens at once and delivers late."""
    command = [sys.executable, "-c", SLOW_CHILD, *arguments]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=descriptors, bufsize=0, cwd=ROOT
    )


@pytest.mark.microphone
def test_the_sound_system_stops_and_comes_back(pulse: Pulse, listen: Listen) -> None:
    """The source is offline within 5 s and online within 10 s, with a gap."""
    listener = listen("mic")
    listener.collect_seconds(0.5)
    pulse.stop()
    assert listener.collect_until_state(SourceState.OFFLINE) < 5
    listener.collect_until(lambda: "no microphone" in listener.runner.stats().detail)
    pulse.start()
    assert listener.collect_until_state(SourceState.ONLINE) < 10
    listener.collect_seconds(0.2)
    assert len(listener.gaps) == 1


@pytest.mark.microphone
def test_microphones_are_listed_without_loading_portaudio(pulse: Pulse) -> None:
    """The list has the default input, and this process does not load the library."""
    found = list_microphones()
    assert [(found_one.id, found_one.is_default) for found_one in found if found_one.is_default] == [("default", True)]
    assert all(found_one.channels > 0 and found_one.rate_hz > 0 for found_one in found)
    assert "sounddevice" not in sys.modules
    assert "libportaudio" not in Path("/proc/self/maps").read_text()


@pytest.mark.microphone
def test_a_microphone_is_picked_by_its_id(pulse: Pulse, listen: Listen) -> None:
    """An id of the list is opened; for another one the error lists the ids."""
    listener = listen("mic:pulse")
    listener.collect_until_state(SourceState.ONLINE)
    assert listener.runner.stats().device == "pulse"
    listener = listen("mic:usb:1-1.4")
    listener.collect_until(lambda: "there is no microphone 'usb:1-1.4'; there are" in listener.runner.stats().detail)


@pytest.mark.microphone
def test_the_capture_process_is_small_and_idle(pulse: Pulse, listen: Listen) -> None:
    """It does not load NumPy, and uses a small share of a processor."""
    listener = listen("mic")
    listener.collect_seconds(0.3)
    pid = get_child(listener).pid
    maps = Path(f"/proc/{pid}/maps").read_text()
    assert "libportaudio" in maps
    assert "numpy" not in maps

    def cpu_s() -> float:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    before = cpu_s()
    listener.collect_seconds(3)
    assert (cpu_s() - before) / 3 < 0.05
