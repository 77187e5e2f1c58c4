"""Stable identities of microphones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edge.audio.sources.identity import Identity, find_matches, identify, make_unique_ids

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def sysfs(tmp_path: Path) -> str:
    """Make a /sys with an onboard card and three USB microphones, one with a serial number."""
    sound = tmp_path / "class/sound"
    sound.mkdir(parents=True)
    usb = "devices/platform/soc/usb1/1-1"
    plugged = {1: (f"{usb}/1-1.2", ""), 2: (f"{usb}/1-1.4", ""), 3: ("devices/pci/usb2/2-1", "A1B2")}
    for card, (folder, serial) in plugged.items():
        device = tmp_path / folder
        interface = device / f"{device.name}:1.0"
        interface.mkdir(parents=True)
        (device / "idVendor").write_text("0d8c\n")
        (device / "idProduct").write_text("0014\n")
        if serial:
            (device / "serial").write_text(f"{serial}\n")
        (sound / f"card{card}").mkdir()
        (sound / f"card{card}/device").symlink_to(interface)
    onboard = tmp_path / "devices/platform/soc/sound"
    onboard.mkdir(parents=True)
    (sound / "card0").mkdir()
    (sound / "card0/device").symlink_to(onboard)
    return str(sound)


NAMES = [
    "HDA Intel: ALC (hw:0,0)",
    "USB Mic: Audio (hw:1,0)",
    "USB Mic: Audio (hw:2,0)",
    "USB Mic: Audio (hw:3,0)",
    "HDA Intel: ALC (hw:0,2)",
    "pulse",
]


def test_the_identity_of_each_input(sysfs: str) -> None:
    """A USB microphone has its port and numbers, others only a name without the card's number."""
    assert [identify(name, sysfs) for name in NAMES] == [
        Identity("HDA Intel: ALC"),
        Identity("USB Mic: Audio", "1-1.2", "0d8c:0014"),
        Identity("USB Mic: Audio", "1-1.4", "0d8c:0014"),
        Identity("USB Mic: Audio", "2-1", "0d8c:0014:A1B2"),
        Identity("HDA Intel: ALC 2"),
        Identity("pulse"),
    ]


def test_every_stable_id_finds_its_input(sysfs: str) -> None:
    """Each id of `tocsin devices` is unique and finds its microphone."""
    ids = [identify(name, sysfs).stable_id for name in NAMES]
    assert len(set(ids)) == len(NAMES)
    assert [find_matches(NAMES, wanted, sysfs) for wanted in ids] == [[place] for place in range(len(NAMES))]


@pytest.mark.parametrize(
    ("wanted", "places"),
    [
        ("usb:1-1.4", [2]),
        ("usb:0d8c:0014:A1B2", [3]),
        ("0d8c:0014:a1b2", [3]),
        ("usb:0d8c:0014", [1, 2, 3]),
        ("PULSE", [5]),
        ("alc", [0, 4]),
        ("hda intel: alc", [0]),
        ("usb mic: AUDIO", [1, 2, 3]),
        ("usb:9-9", []),
        ("Other", []),
    ],
)
def test_matching(sysfs: str, wanted: str, places: list[int]) -> None:
    """Inputs are found by port, numbers, name or part of a name; only the best matches are returned."""
    assert find_matches(NAMES, wanted, sysfs) == places


def test_unique_ids_differ(sysfs: str) -> None:
    """Two inputs of one USB device, which share a port, are identified by name."""
    names = [*NAMES[1:3], "USB Mic: Audio (hw:2,1)"]
    ids = make_unique_ids(names, sysfs)
    assert ids == ["usb:1-1.2", "USB Mic: Audio", "USB Mic: Audio 1"]
    assert [find_matches(names[1:], wanted, sysfs) for wanted in ids[1:]] == [[0], [1]]


def test_the_order_of_the_cards_does_not_matter(sysfs: str) -> None:
    """An id finds the same microphone at another index, as after a restart."""
    assert find_matches(NAMES[::-1], "usb:1-1.4", sysfs) == [NAMES[::-1].index("USB Mic: Audio (hw:2,0)")]
