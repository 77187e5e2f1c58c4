"""Capture process: the only importer of sounddevice, small and easy to kill.

PortAudio does not see a device that is plugged in after its start, and restarting it can hang; a process can be killed
and started again. It writes frames into a ring in shared memory. On standard output it writes one line of JSON, with
the opened device or an error, followed by a dot for every block. It ends at the end of its standard input, so it cannot
outlive its parent.

It reads in a loop instead of a callback: an error is an exception, no code is generated at run time (systemd's
MemoryDenyWriteExecute), and no thread of the driver waits for the interpreter lock.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any, Protocol

from edge.audio.sources.identity import find_matches, identify, make_unique_ids
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
    """Capture error with a kind that the parent knows, and a detail."""

    def __init__(self, *, kind: str, text: str = "") -> None:
        super().__init__(text)
        self.kind = kind


def main(arguments: list[str]) -> None:
    """Run ``list`` or ``open FD [ID]``, and answer on standard output."""
    command, *rest = arguments
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        sound = _import_sounddevice()
        if command == "list":
            _answer({"microphones": _describe_inputs(sound)})
        else:
            _capture(sound, int(rest[0]), *rest[1:])
    except _CaptureError as exc:
        _answer({"error": exc.kind, "text": str(exc)})
    except BrokenPipeError:
        pass
    except Exception as exc:  # noqa: BLE001 - every error must reach the parent
        _answer({"error": "failed", "text": f"{type(exc).__name__}: {exc}"})
    os._exit(0)  # the termination of PortAudio can hang


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


def _list_inputs(sound: ModuleType) -> list[dict[str, Any]]:
    return [device for device in sound.query_devices() if device["max_input_channels"] > 0]


def _find_default_input(sound: ModuleType) -> int | None:
    index = int(sound.default.device[0])
    return index if index >= 0 else None


def _describe_inputs(sound: ModuleType) -> list[dict[str, Any]]:
    default = _find_default_input(sound)
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
        for device in _list_inputs(sound)
    ]


def _choose(sound: ModuleType, wanted: str | None) -> list[dict[str, Any]]:
    """Return the device to open, followed by the others that match equally well."""
    inputs = _list_inputs(sound)
    if not inputs and _lacks_permission():
        raise _CaptureError(kind="permission")
    if wanted is None:
        default = _find_default_input(sound)
        chosen = [device for device in inputs if device["index"] == default]
    else:
        chosen = [inputs[place] for place in find_matches([device["name"] for device in inputs], wanted)]
    if not chosen:
        raise _CaptureError(kind="no-device", text=", ".join(identify(device["name"]).stable_id for device in inputs))
    return chosen


def _lacks_permission() -> bool:
    try:
        names = os.listdir("/dev/snd")  # noqa: PTH208 - pathlib would use memory
    except OSError:
        return False
    nodes = [f"/dev/snd/{name}" for name in names if name.startswith("pcm") and name.endswith("c")]
    return bool(nodes) and not any(os.access(node, os.R_OK | os.W_OK) for node in nodes)


def _open_stream(sound: ModuleType, device: dict[str, Any]) -> _Stream:
    """Open a stream at 48 kHz or the device's own rate, in mono or stereo."""
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
        if _get_code(error) not in {_INVALID_CHANNELS, _INVALID_RATE}:
            break
    raise _CaptureError(kind=_classify(error), text=str(error)) from error


def _get_code(exc: Exception | None) -> int:
    return exc.args[1] if exc is not None and len(exc.args) > 1 and isinstance(exc.args[1], int) else 0


def _classify(exc: Exception | None) -> str:
    text = str(exc).casefold()
    if "permission denied" in text:
        return "permission"
    if _get_code(exc) == _UNAVAILABLE or "busy" in text:
        return "busy"
    return "no-device" if _get_code(exc) == _NO_DEVICE else "failed"


def _capture(sound: ModuleType, descriptor: int, wanted: str | None = None) -> None:
    device, *others = _choose(sound, wanted)
    memory = mmap.mmap(descriptor, 0)
    try:
        stream = _open_stream(sound, device)
        stream.start()
        ring = Ring(memory, _SAMPLE_BYTES * stream.channels)
        ids = make_unique_ids([each["name"] for each in (device, *others)]) if others else []
        opened = {"rate_hz": int(stream.samplerate), "channels": stream.channels, "device": device["name"]}
        _answer({**opened, "ambiguous": ids})
        frames = round(stream.samplerate * BLOCK_S)
        os.set_blocking(1, False)
        while True:
            data, overflowed = stream.read(frames)
            if overflowed:
                ring.count_overflow()
            ring.write(data)
            with contextlib.suppress(BlockingIOError):  # the parent is late; the ring keeps the newest frames
                os.write(1, b".")
    except sound.PortAudioError as exc:
        raise _CaptureError(kind=_classify(exc), text=str(exc)) from exc


if __name__ == "__main__":
    main(sys.argv[1:])
