"""Markers of tests with needs beyond Python and `.[dev]`."""

from __future__ import annotations

import importlib.util
import os
import shutil
from typing import NamedTuple

from tests.support.broker import MOSQUITTO
from tests.support.disk import CAN_MOUNT
from tests.support.pulse import HAVE_PULSE
from tests.support.spy import COMPILER


class Need(NamedTuple):
    """The needs of tests with a marker."""

    text: str
    is_met: bool


def _has(*programs: str) -> bool:
    return all(map(shutil.which, programs))


NEEDS = {
    "broker": Need("mosquitto", MOSQUITTO is not None),
    "browser": Need("chromium and chromium-driver", _has("chromium", "chromedriver")),
    "compiler": Need("a C compiler", COMPILER is not None),
    "data": Need("a folder of recordings in TOCSIN_DATA", bool(os.environ.get("TOCSIN_DATA"))),
    "encoders": Need("ffmpeg, sox, flac and lame", _has("ffmpeg", "sox", "flac", "lame")),
    "ffmpeg": Need("ffmpeg", _has("ffmpeg")),
    "microphone": Need("PulseAudio and its tools", HAVE_PULSE),
    "root": Need("root, for a disk of its own", CAN_MOUNT),
    "setpriv": Need("setpriv", _has("setpriv")),
    "systemd": Need("systemd-analyze", _has("systemd-analyze")),
    "torch": Need("PyTorch and the rest of `.[train]`", importlib.util.find_spec("torch") is not None),
}
