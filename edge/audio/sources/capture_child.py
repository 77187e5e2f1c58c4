"""The process that holds the microphone: the only importer of sounddevice, small, and easy to kill.

PortAudio sees no device that is plugged in after its start, and starting it again can hang; a process can be ended
and begun anew. It writes frames into a ring in shared memory, and on standard output one line of JSON, what was
opened or why nothing was, followed by a dot for every block. It ends when its standard input does, so it cannot
outlive its parent.

Reading in a loop serves better here than a callback: an error is an exception that is seen, nothing is made
executable at run time (systemd's MemoryDenyWriteExecute), and no interpreter lock is taken in a thread of the driver.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any, Protocol

from edge.audio.sources.identity import exact_ids, identify, matching
from edge.audio.sources.ring import Ring
from edge.jsontext import dumps

if TYPE_CHECKING:
    from types import ModuleType

BLOCK_S = 0.025
LATENCY_S = 0.06
_PREFERRED_HZ = 48_000
_SAMPLE_BYTES = 2
_INVALID_CHANNELS, _INVALID_RATE = -9998, -9997
_NO_DEVICE, _UNAVAILABLE = -9996, -9985


class _Stream(Protocol):
    samplerate: float
    channels: int

    def start(self) -> None: ...

    def read(self, frames: int) -> tuple[memoryview, bool]: ...


class _CaptureError(Exception):
    """Carries a kind that the parent knows, and a detail."""

    def __init__(self, *, kind: str, text: str = "") -> None:
        super().__init__(text)
        self.kind = kind


def main(arguments: list[str]) -> None:
    """Run ``list``, or ``open FD [ID]``; answers on standard output."""
    command, *rest = arguments
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        sound = _import_sounddevice()
        if command == "list":
            _answer({"microphones": _list(sound)})
        else:
            _capture(sound, int(rest[0]), *rest[1:])
    except _CaptureError as exc:
        _answer({"error": exc.kind, "text": str(exc)})
    except BrokenPipeError:
        pass
    except Exception as exc:  # noqa: BLE001 - the last line of a process nobody sees: say it, whatever it is
        _answer({"error": "failed", "text": f"{type(exc).__name__}: {exc}"})
    os._exit(0)  # PortAudio's own end can hang


def _end_with_parent() -> None:
    while os.read(0, 64):
        continue
    os._exit(0)


def _answer(record: dict[str, Any]) -> None:
    with contextlib.suppress(BrokenPipeError):
        os.write(1, dumps(record).encode() + b"\n")


def _import_sounddevice() -> ModuleType:
    try:
        import sounddevice  # noqa: PLC0415 - its import starts PortAudio, and fails without it
    except ImportError as exc:
        raise _CaptureError(kind="no-sounddevice", text=str(exc)) from exc
    except OSError as exc:
        raise _CaptureError(kind="no-portaudio", text=str(exc)) from exc
    except Exception as exc:
        raise _CaptureError(kind="failed", text=f"PortAudio does not start: {exc}") from exc
    module: ModuleType = sounddevice
    return module


def _inputs(sound: ModuleType) -> list[dict[str, Any]]:
    return [device for device in sound.query_devices() if device["max_input_channels"] > 0]


def _default_input(sound: ModuleType) -> int | None:
    index = int(sound.default.device[0])
    return index if index >= 0 else None


def _list(sound: ModuleType) -> list[dict[str, Any]]:
    default = _default_input(sound)
    apis = [api["name"] for api in sound.query_hostapis()]
    return [
        {
            "id": identify(device["name"]).stable_id,
            "name": device["name"],
            "channels": device["max_input_channels"],
            "rate_hz": int(device["default_samplerate"]),
            "is_default": device["index"] == default,
            "host_api": apis[device["hostapi"]],
        }
        for device in _inputs(sound)
    ]


def _choose(sound: ModuleType, wanted: str | None) -> list[dict[str, Any]]:
    """Return the device to open, and behind it those that match what is wanted as well."""
    inputs = _inputs(sound)
    if not inputs and _locked_out():
        raise _CaptureError(kind="permission")
    if wanted is None:
        default = _default_input(sound)
        chosen = [device for device in inputs if device["index"] == default]
    else:
        chosen = [inputs[place] for place in matching([device["name"] for device in inputs], wanted)]
    if not chosen:
        raise _CaptureError(kind="no-device", text=", ".join(identify(device["name"]).stable_id for device in inputs))
    return chosen


def _locked_out() -> bool:
    try:
        names = os.listdir("/dev/snd")  # noqa: PTH208 - pathlib is memory to do without
    except OSError:
        return False
    nodes = [f"/dev/snd/{name}" for name in names if name.startswith("pcm") and name.endswith("c")]
    return bool(nodes) and not any(os.access(node, os.R_OK | os.W_OK) for node in nodes)


def _open_stream(sound: ModuleType, device: dict[str, Any]) -> _Stream:
    """Open at 48 kHz or else the device's own rate, mono or else stereo."""
    rates = dict.fromkeys((_PREFERRED_HZ, int(device["default_samplerate"])))
    channels = dict.fromkeys((1, min(2, device["max_input_channels"])))
    error: Exception | None = None
    for rate_hz, count in ((rate_hz, count) for rate_hz in rates for count in channels):
        try:
            stream: _Stream = sound.RawInputStream(
                samplerate=rate_hz,
                channels=count,
                dtype="int16",
                device=device["index"],
                blocksize=round(rate_hz * BLOCK_S),
                latency=LATENCY_S,
            )
        except sound.PortAudioError as exc:
            error = exc
        else:
            return stream
        if _code(error) not in {_INVALID_CHANNELS, _INVALID_RATE}:
            break
    raise _CaptureError(kind=_kind(error), text=str(error)) from error


def _code(exc: Exception | None) -> int:
    return exc.args[1] if exc is not None and len(exc.args) > 1 and isinstance(exc.args[1], int) else 0


def _kind(exc: Exception | None) -> str:
    text = str(exc).casefold()
    if "permission denied" in text:
        return "permission"
    if _code(exc) == _UNAVAILABLE or "busy" in text:
        return "busy"
    return "no-device" if _code(exc) == _NO_DEVICE else "failed"


def _capture(sound: ModuleType, descriptor: int, wanted: str | None = None) -> None:
    device, *others = _choose(sound, wanted)
    memory = mmap.mmap(descriptor, 0)
    try:
        stream = _open_stream(sound, device)
        stream.start()
        ring = Ring(memory, _SAMPLE_BYTES * stream.channels)
        alike = exact_ids([each["name"] for each in (device, *others)]) if others else []
        opened = {"rate_hz": int(stream.samplerate), "channels": stream.channels, "device": device["name"]}
        _answer({**opened, "alike": alike})
        frames = round(stream.samplerate * BLOCK_S)
        os.set_blocking(1, False)
        while True:
            data, overflowed = stream.read(frames)
            if overflowed:
                ring.count_overflow()
            ring.write(data)
            with contextlib.suppress(BlockingIOError):  # the parent is late; the ring keeps what it can
                os.write(1, b".")
    except sound.PortAudioError as exc:
        raise _CaptureError(kind=_kind(exc), text=str(exc)) from exc


if __name__ == "__main__":
    main(sys.argv[1:])
