"""Mix the street scene that `tocsin demo` plays, and the truth about it: python tests/data/make_street.py RECORDINGS.

RECORDINGS is the folder with the recordings that ``edge/data/ATTRIBUTION.md`` names. The mix is the same at every run.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr
from scipy.signal import butter, sosfiltfilt

ROOT = Path(__file__).parents[2]
SOUND, TRUTH = ROOT / "edge" / "data" / "street.flac", ROOT / "tests" / "data" / "street.json"
RATE_HZ, DURATION_S, PEAK = 32_000, 76.0, 0.9


@dataclass(frozen=True)
class Placement:
    """A stretch of a recording somewhere in the scene."""

    file: str
    start_s: float
    end_s: float
    """From here to there in the recording."""
    at_s: float
    """Where it begins in the scene."""
    gain_db: float
    fade_in_s: float = 0.01
    fade_out_s: float = 0.01
    highpass_hz: float = 0.0
    lowpass_hz: float = 0.0
    """Leave the sound itself, and little of what else its recording has (a street below a horn, voices above a car)."""


BIRDS, STREET, SIREN = "birds.flac", "busy-street.flac", "ambulance-siren.flac"
SHOTS, HORN = "gunshots.flac", "street-horn.flac"

PLACEMENTS = (
    Placement(BIRDS, 0.0, 10.5, 0.0, 0.0, 0.5, 3.0),
    # Slowly, as a street comes near: a rise of 30 dB in half a second is no car's, and nearly a bang.
    Placement(STREET, 11.2, 25.8, 6.0, -3.0, 6.0, 1.0),
    Placement(STREET, 29.5, 79.5, 19.6, -3.0, 1.0, 6.0),
    Placement(STREET, 13.4, 17.2, 8.5, 11.0, 2.6, 1.2, lowpass_hz=1500.0),
    *(Placement(STREET, 13.4, 17.2, at_s, 11.0, 1.0, 1.2, lowpass_hz=1500.0) for at_s in (10.5, 12.5, 14.5)),
    *(Placement(STREET, 13.4, 17.2, at_s, 9.0, 1.0, 1.2, lowpass_hz=1500.0) for at_s in (61.5, 63.5, 65.5)),
    Placement(BIRDS, 0.0, 11.0, 65.0, 0.0, 4.0, 1.0),
    Placement(SIREN, 1.2, 18.2, 18.0, 2.0, 2.0, 2.0),
    Placement(STREET, 1.92, 2.36, 39.5, 16.0, 0.01, 0.06, 300.0),
    Placement(STREET, 1.92, 2.36, 40.1, 16.0, 0.01, 0.06, 300.0),
    Placement(HORN, 9.54, 9.84, 45.5, 22.0, 0.01, 0.04, 300.0),
    Placement(STREET, 1.92, 2.36, 46.2, 15.0, 0.01, 0.06, 300.0),
    Placement(SHOTS, 0.50, 3.00, 51.0, -5.0, 0.01, 0.2),
    Placement(SHOTS, 8.05, 10.4, 57.0, -6.0, 0.01, 0.2),
)
# What a listener hears, in seconds of the scene: `onset_s` is the first sound of it, `end_s` the last.
EVENTS = (
    ("traffic", 7.5, 68.0),
    ("siren", 18.2, 33.5),
    ("horn", 39.51, 40.5),
    ("horn", 45.51, 46.6),
    ("gunshot", 51.07, 52.9),
    ("gunshot", 57.02, 59.0),
)


def placed(folder: Path, placement: Placement) -> np.ndarray:
    """Return the stretch at the scene's rate, filtered, scaled and faded, shape (n,)."""
    samples, rate_hz = sf.read(folder / placement.file, dtype="float64", always_2d=True)
    mono = samples.mean(axis=1)
    for edge_hz, kind in ((placement.highpass_hz, "highpass"), (placement.lowpass_hz, "lowpass")):
        if edge_hz:
            mono = sosfiltfilt(butter(2, edge_hz, kind, fs=rate_hz, output="sos"), mono)
    stretch = mono[round(placement.start_s * rate_hz) : round(placement.end_s * rate_hz)]
    sound = soxr.resample(stretch, rate_hz, RATE_HZ) * 10 ** (placement.gain_db / 20)
    for fade_s, part in ((placement.fade_in_s, sound), (placement.fade_out_s, sound[::-1])):
        n = round(fade_s * RATE_HZ)
        part[:n] *= np.sin(np.linspace(0.0, np.pi / 2, n)) ** 2
    return np.asarray(sound)


def mix(folder: Path) -> np.ndarray:
    """Return the scene, shape (n,), full scale ±1."""
    scene = np.zeros(round(DURATION_S * RATE_HZ))
    for placement in PLACEMENTS:
        sound = placed(folder, placement)
        at = round(placement.at_s * RATE_HZ)
        scene[at : at + sound.size] += sound[: scene.size - at]
    return np.asarray(scene * min(1.0, PEAK / float(np.abs(scene).max())))


def main(folder: Path) -> None:
    """Write the scene and its truth."""
    sf.write(SOUND, mix(folder), RATE_HZ, subtype="PCM_16", compression_level=1.0)
    truth = {
        "file": SOUND.name,
        "duration_s": DURATION_S,
        "events": [{"label": label, "onset_s": onset, "end_s": end} for label, onset, end in EVENTS],
    }
    TRUTH.write_text(json.dumps(truth, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
