# pathlib is memory that the capture process does without, hence:
# ruff: noqa: PTH119, PTH120, PTH123
"""Which microphone is which: names that stay the same when others are plugged in.

The capture process imports this, so it takes nothing that costs memory: no NumPy, pathlib or dataclasses.
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple

_HARDWARE = re.compile(r"^(?P<name>.*?)\s*\(hw:(?P<card>\d+),(?P<device>\d+)\)$")
_USB_DEVICE = re.compile(r"^\d+-\d+(\.\d+)*$")
_SYSFS = "/sys/class/sound"


class Identity(NamedTuple):
    """What is known of an input, the most lasting first."""

    name: str
    """The name without the card's number."""
    usb_path: str = ""
    """The socket it is plugged into, as ``1-1.4``."""
    usb_id: str = ""
    """Vendor, product and, where there is one, the serial number: ``0d8c:0014:A1``."""

    @property
    def stable_id(self) -> str:
        """What to write after ``mic:``."""
        return f"usb:{self.usb_path}" if self.usb_path else self.name

    def matches(self, wanted: str) -> int:
        """Return how well this is what was wanted: 0 not at all, higher is better."""
        low = wanted.casefold()
        usb = low.removeprefix("usb:")
        if self.usb_path and usb == self.usb_path:
            return 4
        if self.usb_id and (usb == self.usb_id.casefold() or self.usb_id.casefold().startswith(usb + ":")):
            return 3
        if low == self.name.casefold():
            return 2
        return 1 if low in self.name.casefold() and not low.startswith("usb:") else 0


def identify(name: str, sysfs: str = _SYSFS) -> Identity:
    """Return what is known of the input that PortAudio calls `name`, such as ``USB Mic: Audio (hw:1,0)``."""
    match = _HARDWARE.match(name)
    if match is None:
        return Identity(name)
    usb = _usb_device(os.path.realpath(f"{sysfs}/card{match['card']}/device"))
    label = match["name"].rstrip(" -:") or name
    if match["device"] != "0":
        label = f"{label} {match['device']}"
    if usb is None:
        return Identity(label)
    parts = [_line(f"{usb}/{part}") for part in ("idVendor", "idProduct", "serial")]
    return Identity(label, os.path.basename(usb), ":".join(part for part in parts if part))


def matching(names: list[str], wanted: str, sysfs: str = _SYSFS) -> list[int]:
    """Return the places of the best matches for `wanted` among names as PortAudio lists them; the first is opened."""
    scores = [identify(name, sysfs).matches(wanted) for name in names]
    best = max(scores, default=0)
    return [place for place, score in enumerate(scores) if best and score == best]


def exact_ids(names: list[str], sysfs: str = _SYSFS) -> list[str]:
    """Return what to write for each of some inputs that match alike, so that it alone is meant."""
    found = [identify(name, sysfs) for name in names]
    ids = [identity.stable_id for identity in found]
    return [identity.stable_id if ids.count(identity.stable_id) == 1 else identity.name for identity in found]


def _usb_device(folder: str) -> str | None:
    """Return the nearest folder at or above this one that is a USB device."""
    while folder not in {"/", ""}:
        if _USB_DEVICE.match(os.path.basename(folder)):
            return folder
        folder = os.path.dirname(folder)
    return None


def _line(path: str) -> str:
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError:
        return ""
