"""Small folders of recordings with a manifest, synthetic or copied."""

from __future__ import annotations

import csv
import shutil
from typing import TYPE_CHECKING

import numpy as np
import soundfile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LABELS = ("background", "clap", "gunshot", "siren")
CLIPS_PER_LABEL = 8
COLUMNS = ("file", "class", "corpus", "group", "uploader", "licence", "name", "duration_s")
_RATE_HZ = 16_000


def write_manifest(folder: Path, rows: Sequence[dict[str, str]]) -> None:
    """Write manifest.csv; each clip is a recording of its own, so that every part has each label."""
    with (folder / "manifest.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows({**row, "group": f"{row['group']} {i}", "uploader": ""} for i, row in enumerate(rows))


def made_up(folder: Path) -> Path:
    """Write synthetic sounds of distinct classes: noise, clicks, thuds and a wailing tone."""
    rng, t = np.random.default_rng(5), np.arange(2 * _RATE_HZ) / _RATE_HZ
    rows = []
    for index in range(len(LABELS) * CLIPS_PER_LABEL):
        label = LABELS[index % len(LABELS)]
        decay = np.exp(-np.maximum(t - 1.0, 0) * 20) * (t >= 1.0)
        sound = {
            "background": np.zeros_like(t),
            "clap": np.diff(rng.normal(0, 0.3, t.size), prepend=0.0) * decay,
            "gunshot": np.cumsum(rng.normal(0, 0.02, t.size)) * decay,
            "siren": 0.2 * np.sin(2 * np.pi * np.cumsum(800 + 300 * np.sin(2 * np.pi * t)) / _RATE_HZ),
        }[label]
        name = f"{label}{index}.wav"
        soundfile.write(folder / name, sound + rng.normal(0, 0.003, t.size), _RATE_HZ)
        rows.append(
            {
                "file": name,
                "class": label,
                "corpus": "made up",
                "group": "",
                "licence": "",
                "name": name,
                "duration_s": "2.0",
            }
        )
    write_manifest(folder, rows)
    return folder


def copy_recordings(data: Path, folder: Path) -> Path:
    """Copy a few of the shortest real clips of more than a second into `folder`."""
    with (data / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: (float(row["duration_s"]), row["file"]))
    rows = [row for row in rows if float(row["duration_s"]) > 1]
    chosen = [row for label in LABELS for row in [r for r in rows if r["class"] == label][:CLIPS_PER_LABEL]]
    for row in chosen:
        target = folder / row["file"]
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(data / row["file"], target)
    write_manifest(folder, chosen)
    return folder
