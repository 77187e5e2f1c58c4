"""Synthetic recordings of claps and tones, with a manifest."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from tests.support.recordings import COLUMNS
from training.sound.claps import RATE_HZ, make_clap

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.random import Generator
    from numpy.typing import NDArray

TAKES = 6
BEGINS_S = (0.6, 1.1)
PEOPLE = {"hands": TAKES, "strangers": 3}
OTHERS = 20


def row_of_claps(rng: Generator, begins_s: tuple[float, ...], length_s: float = 2.0) -> NDArray[np.float32]:
    """Return claps with onsets at given seconds, with faint noise."""
    sound = rng.normal(0.0, 3e-4, round(length_s * RATE_HZ)).astype(np.float32)
    for begin_s in begins_s:
        clap, begin = 0.5 * make_clap(rng), round(begin_s * RATE_HZ)
        sound[begin : begin + clap.size] += clap
    return sound


def tone_burst(rng: Generator) -> NDArray[np.float32]:
    """Return two seconds of faint noise with a tone in the first half second."""
    time_s = np.arange(2 * RATE_HZ) / RATE_HZ
    gate = (time_s >= 0.7) & (time_s < 1.2)
    tone = 0.3 * np.sin(2 * np.pi * rng.uniform(900.0, 2_500.0) * time_s) * gate
    return np.asarray(tone + rng.normal(0.0, 0.01, time_s.size), np.float32)


def clap_recordings(folder: Path) -> Path:
    """Write double claps of two people, and tones of two classes, each a recording of its own."""
    rng = np.random.default_rng(11)
    rows = [
        _row(folder, f"{person}-{number}", "clap", person, row_of_claps(rng, BEGINS_S))
        for person, takes in PEOPLE.items()
        for number in range(takes)
    ]
    for number in range(OTHERS):
        label = ("alarm", "human")[number % 2]
        rows.append(_row(folder, f"{label}-{number}", label, f"tone {number}", tone_burst(rng)))
    with (folder / "manifest.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, (*COLUMNS, "fine"), restval="")
        writer.writeheader()
        writer.writerows(rows)
    return folder


def _row(folder: Path, name: str, label: str, group: str, sound: NDArray[np.float32]) -> dict[str, str]:
    soundfile.write(folder / f"{name}.wav", sound, RATE_HZ)
    duration = str(sound.size / RATE_HZ)
    return {"file": f"{name}.wav", "class": label, "group": group, "name": f"{name}.wav", "duration_s": duration}
