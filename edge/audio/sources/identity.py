# The capture process does not load pathlib, to save memory, hence:
# ruff: noqa: PTH119, PTH120, PTH123
"""Stable identities of microphones, independent of other devices.

The capture process imports this module, so it must need little memory: no NumPy, pathlib or dataclasses.
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple

_HARDWARE = re.compile(r"^(?P<name>.*?)\s*\(hw:(?P<card>\d+),(?P<device>\d+)\)$")
_USB_DEVICE = re.compile(r"^\d+-\d+(\.\d+)*$")
_SYSFS = "/sys/class/sound"


class Identity(NamedTuple):
    """Identity of an input."""

    name: str
    """Name without the number of the card."""
    usb_path: str = ""
    """USB port, for example ``1-1.4``."""
    usb_id: str = ""
    """Vendor, product and, if present, serial number: ``0d8c:0014:A1``."""

    @property
    def stable_id(self) -> str:
        """The id to write after ``mic:``."""
        return f"usb:{self.usb_path}" if self.usb_path else self.name

    def matches(self, wanted: str) -> int:
        """Return how well the input matches `wanted`: 0 for no match, higher is better."""
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
    """Return the identity of the input with this PortAudio name.

    An example of a name is ``USB Mic: Audio (hw:1,0)``.
    """
    match = _HARDWARE.match(name)
    if match is None:
        return Identity(name)
    usb = _find_usb_device(os.path.realpath(f"{sysfs}/card{match['card']}/device"))
    label = match["name"].rstrip(" -:") or name
    if match["device"] != "0":
        label = f"{label} {match['device']}"
    if usb is None:
        return Identity(label)
    parts = [_read_line(f"{usb}/{part}") for part in ("idVendor", "idProduct", "serial")]
    return Identity(label, os.path.basename(usb), ":".join(part for part in parts if part))


def find_matches(names: list[str], wanted: str, sysfs: str = _SYSFS) -> list[int]:
    """Return the indices of the best matches for `wanted` in a list of PortAudio names."""
    scores = [identify(name, sysfs).matches(wanted) for name in names]
    best = max(scores, default=0)
    return [place for place, score in enumerate(scores) if best and score == best]


def make_unique_ids(names: list[str], sysfs: str = _SYSFS) -> list[str]:
    """Return a unique id for each of several inputs that match equally well."""
    found = [identify(name, sysfs) for name in names]
    ids = [identity.stable_id for identity in found]
    return [identity.stable_id if ids.count(identity.stable_id) == 1 else identity.name for identity in found]


def _find_usb_device(folder: str) -> str | None:
    """Return the folder of a USB device at or above `folder`, or None."""
    while folder not in {"/", ""}:
        if _USB_DEVICE.match(os.path.basename(folder)):
            return folder
        folder = os.path.dirname(folder)
    return None


def _read_line(path: str) -> str:
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError:
        return ""
