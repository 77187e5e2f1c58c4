"""Sequences of claps for the benchmark: single claps of people in a synthetic room, over real backgrounds.

The room is synthetic: the direct sound, a few early reflections and a tail of noise that falls exponentially. It is
made here and not by the training code, so that training cannot have fitted it.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy.signal import fftconvolve

from edge.audio.decode.recording import open_recording

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.random import Generator
    from numpy.typing import NDArray

RATE_HZ = 16_000
PEOPLE = ("vegard-num", "travisjayday", "anhduyalpha-clap", "dirt-realclaps", "hu100:n86")
"""Groups of the manifest: one person each. Of the first two, training has the takes with even numbers."""
STRANGERS = PEOPLE[2:]
_HALVED = PEOPLE[:2]
_CLAPS_IN_A_FILE = {"travisjayday": 2, "hu100:n86": 7}
BACKGROUNDS = {
    "street": ("traffic", "other:tram", "other:public_square"),
    "living room": (
        "other:room_silence",
        "other:kitchen_noise",
        "other:office",
        "other:appliance",
        "other:washing_machine",
        "speech",
        "street_music",
        "other:music",
    ),
}
"""Fine labels; each is as likely as the others of its kind."""
GAPS_S = (0.15, 0.70)
_LEAD_S, _TAIL_S = 3.0, 2.5
_CUT_S, _BEFORE_S, _FADE_S = 0.15, 0.003, 0.05
_SPREAD_DB = 3.0  # between the claps of one sequence, to either side
_PEAK_DBFS = (-40.0, -3.0)
_LOUD_S = 0.1  # of each clap, for the signal-to-noise ratio
_JOIN_S = 0.25
_HOP = RATE_HZ // 500


@dataclass(frozen=True, slots=True)
class Sequence:
    """The parameters of a sequence; equal ones give equal sound."""

    claps: int
    snr_db: float
    """RMS of the first 100 ms of every clap, in its room, over the RMS of the whole background."""
    steady: bool
    """Equal gaps with 10 % of jitter, rather than each on its own."""
    person: str
    place: str
    """A key of `BACKGROUNDS`."""
    number: int
    seed: int


@dataclass(frozen=True, slots=True)
class Scene:
    """A built sequence."""

    samples: NDArray[np.float32]
    """Shape (n,), in 16-bit steps."""
    begins_s: list[float]
    """When each clap begins."""
    background: str
    """Its fine label."""


def read(path: Path) -> NDArray[np.float32]:
    """Return a recording as mono at 16 kHz, shape (n,)."""
    with open_recording(path) as clip:
        return np.concatenate(list(clip.blocks(RATE_HZ, 4.0)))


def read_rows(folder: Path) -> list[dict[str, str]]:
    """Return the rows of the manifest."""
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def parse_number(row: dict[str, str]) -> int:
    """Return the number in a take's name."""
    return int("".join(filter(str.isdigit, row["name"])))


def single_claps(samples: NDArray[np.float32], count: int) -> list[NDArray[np.float32]]:
    """Return the `count` loudest claps of a recording, cut from 3 ms before the onset to 147 ms after, peak 1.

    Fewer where fewer are within 20 dB of the loudest. The code under test has no part in it.
    """
    treble = np.diff(samples, prepend=samples[0])
    hops = treble[: treble.size // _HOP * _HOP].reshape(-1, _HOP)
    level_db = 10 * np.log10(np.square(hops).mean(axis=1) + 1e-12)
    left, apart, cuts = level_db.copy(), round(0.1 * RATE_HZ / _HOP), []
    for _ in range(count):
        peak = int(left.argmax())
        if left[peak] < level_db.max() - 20:
            break
        rising = level_db[max(0, peak - 5) : peak + 1]
        begin = (peak - rising.size + 1 + int(np.argmax(rising > level_db[peak] - 20))) * _HOP
        cuts.append(_fade(samples[max(0, begin - round(_BEFORE_S * RATE_HZ)) :][: round(_CUT_S * RATE_HZ)]))
        left[max(0, peak - apart) : peak + apart] = -np.inf
    return cuts


def _fade(cut: NDArray[np.float32]) -> NDArray[np.float32]:
    cut = cut - cut.mean()
    fade = min(round(_FADE_S * RATE_HZ), cut.size // 2)
    cut[-fade:] *= np.cos(np.linspace(0, np.pi / 2, fade, dtype=np.float32)) ** 2
    attack = round(_BEFORE_S / 3 * RATE_HZ)
    cut[:attack] *= np.linspace(0, 1, attack, dtype=np.float32)
    return np.asarray(cut / np.abs(cut).max(), np.float32)


class Material:
    """The claps and backgrounds of a folder with a manifest."""

    def __init__(self, folder: Path) -> None:
        """Read nothing yet."""
        self._folder = folder

    @cached_property
    def _rows(self) -> list[dict[str, str]]:
        return read_rows(self._folder)

    @cached_property
    def claps(self) -> dict[str, list[NDArray[np.float32]]]:
        """Single claps by person, of takes that training did not see."""
        rows = [row for row in self._rows if row["class"] == "clap" and row["group"] in PEOPLE]
        cuts: dict[str, list[NDArray[np.float32]]] = {person: [] for person in PEOPLE}
        for row in rows:
            if row["group"] not in _HALVED or parse_number(row) % 2:
                sound = read(self._folder / row["file"])
                cuts[row["group"]] += single_claps(sound, _CLAPS_IN_A_FILE.get(row["group"], 1))
        return cuts

    def background(self, place: str, size: int, rng: Generator) -> tuple[NDArray[np.float32], str]:
        """Return `size` samples of RMS 1 and their fine label; short clips of one label are joined."""
        present = {row["fine"] for row in self._rows}
        label = str(rng.choice([fine for fine in BACKGROUNDS[place] if fine in present]))
        files = [row["file"] for row in self._rows if row["fine"] == label]
        fade = np.sin(np.linspace(0, np.pi / 2, round(_JOIN_S * RATE_HZ), dtype=np.float32))
        sound = np.zeros(fade.size, np.float32)
        while sound.size < size + fade.size:
            clip = read(self._folder / files[rng.integers(len(files))])
            clip -= clip.mean()
            power = float(np.mean(clip**2))
            if clip.size < 2 * fade.size or power < 1e-10:
                continue  # digital silence
            clip /= np.float32(np.sqrt(power))
            sound[-fade.size :] = sound[-fade.size :] * fade[::-1] + clip[: fade.size] * fade
            sound = np.concatenate((sound, clip[fade.size :]))
        begin = fade.size + rng.integers(sound.size - fade.size - size + 1)
        sound = sound[begin : begin + size]
        return sound / np.float32(np.sqrt(np.mean(sound**2) + 1e-12)), label

    def build(self, wanted: Sequence) -> Scene:
        """Return the sound of a sequence."""
        key = (wanted.seed, wanted.number, wanted.claps, round(wanted.snr_db), wanted.steady)
        rng = np.random.default_rng(key)
        begins = _LEAD_S + np.concatenate(([0.0], np.cumsum(gaps(wanted, rng))))
        at = np.round(begins * RATE_HZ).astype(int)
        size = int(at[-1]) + round(_TAIL_S * RATE_HZ)
        sound = fftconvolve(spread(self.some(wanted.person, wanted.claps, rng), at, size, rng), room(rng))[:size]
        sound *= 10 ** (rng.uniform(*_PEAK_DBFS) / 20) / np.abs(sound).max()
        loud = np.concatenate([sound[begin : begin + round(_LOUD_S * RATE_HZ)] for begin in at])
        noise, label = self.background(wanted.place, size, rng)
        sound += noise * (np.sqrt(np.mean(loud**2)) * 10 ** (-wanted.snr_db / 20))
        samples = np.asarray(np.round(np.clip(sound, -1, 1) * 32767) / 32768, np.float32)
        return Scene(samples, begins.tolist(), label)

    def some(self, person: str, count: int, rng: Generator) -> list[NDArray[np.float32]]:
        """Return claps of one person, different ones as far as there are enough."""
        cuts = self.claps[person]
        order = np.concatenate([rng.permutation(len(cuts)) for _ in range(-(-count // len(cuts)))])
        return [cuts[index] for index in order[:count]]


def gaps(wanted: Sequence, rng: Generator) -> NDArray[np.float64]:
    """Return the seconds between the claps, within `GAPS_S`."""
    if not wanted.steady:
        return rng.uniform(*GAPS_S, wanted.claps - 1)
    return np.clip(rng.uniform(*GAPS_S) * rng.uniform(0.9, 1.1, wanted.claps - 1), *GAPS_S)


def spread(
    cuts: list[NDArray[np.float32]], begins: NDArray[np.int64], size: int, rng: Generator
) -> NDArray[np.float32]:
    """Return silence with the cuts at `begins`, at varying levels."""
    sound = np.zeros(size, np.float32)
    for cut, begin in zip(cuts, begins, strict=True):
        sound[begin : begin + cut.size] += cut * np.float32(10 ** (rng.uniform(-_SPREAD_DB, _SPREAD_DB) / 20))
    return sound


def room(rng: Generator) -> NDArray[np.float32]:
    """Return an impulse response: RT60 0.2 to 0.8 s, 0 to 15 dB from direct sound to the rest, some reflections."""
    rt60_s = rng.uniform(0.2, 0.8)
    time_s = np.arange(round(rt60_s * RATE_HZ)) / RATE_HZ
    rest = rng.standard_normal(time_s.size) * 10 ** (-3 * time_s / rt60_s) * (time_s > 0.005)
    for delay_s in rng.uniform(0.002, 0.04, rng.integers(3, 8)):
        # About as strong as the tail is together, shared among them.
        rest[round(delay_s * RATE_HZ)] += rng.choice((-1, 1)) * rng.uniform(0.2, 0.8) * np.sqrt(np.sum(rest**2) / 4)
    rest *= np.sqrt(10 ** (-rng.uniform(0.0, 15.0) / 10) / np.sum(rest**2))
    rest[0] = 1.0
    return np.asarray(rest, np.float32)
