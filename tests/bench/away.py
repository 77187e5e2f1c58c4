"""Benchmark of the away mode: false alarms in noise, misses and delays of sounds in it.

    python -m tests.bench.away --data FOLDER_WITH_MANIFEST [--minutes 60] [--seed 1] [--part test]

The noise is made of clips of quiet rooms, kitchens and fans, each brought to one level and cross-faded; the sounds are
set into it, with their peak at several levels above its median. An office with people at work is shown beside it, not
counted: footsteps and falling books are what is to be reported. The constants were chosen on one half of the recordings (`--part
tune`) and never on the other.
"""

from __future__ import annotations

import argparse
import csv
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile as sf
import soxr

from edge.away.watch import AwayWatch
from edge.detection.level import LevelMeter
from edge.frontend.params import FrontEndParams
from edge.frontend.stream import StreamingFrames
from edge.inference.library import Library
from edge.inference.load import load_classifier
from edge.settings.away import Away
from edge.types import Scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge.inference.onnx import OnnxClassifier
    from edge.types import Pattern

RATE = 16_000
ROOM_DB, FADE_S, EVERY_S = -55.0, 0.5, 16.0
ABOVE_DB = (20.0, 25.0, 30.0)
ROOMS = {
    "quiet room": {"other:room_silence"},
    "kitchen": {"other:kitchen_noise", "other:appliance", "other:washing_machine"},
    "fans": {"air_conditioner", "other:fan", "other:machine_room"},
}
OCCUPIED = {"other:office"}
SOUNDS = {
    "door": {"other:office_doorslam", "other:door", "other:office_knock", "door_knock"},
    "voice": {"speech"},
    "glass": {"glass", "other:glass_breaking", "other:booth_glass_smash"},
}


class Recordings:
    """One half of the recordings; clips of one group are in the same half."""

    def __init__(self, folder: Path, part: str) -> None:
        with (folder / "manifest.csv").open(encoding="utf-8", newline="") as file:
            self._rows = list(csv.DictReader(file))
        self._folder, self._half = folder, slice(0 if part == "tune" else 1, None, 2)

    def paths(self, fine: set[str], least_s: float = 0.0) -> list[Path]:
        rows = [row for row in self._rows if row["fine"] in fine and float(row["duration_s"]) >= least_s]
        # The quiet rooms are all of one group, so they are parted by file.
        column = "group" if len({row["group"] for row in rows}) > 1 else "file"
        chosen = set(sorted({row[column] for row in rows})[self._half])
        return [self._folder / row["file"] for row in rows if row[column] in chosen]


def read(path: Path) -> NDArray[np.float32]:
    samples, rate = sf.read(path, dtype="float32", always_2d=True)
    return np.asarray(soxr.resample(samples.mean(axis=1), rate, RATE), np.float32)


def fast_db(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the fast-weighted level of each frame."""
    params = FrontEndParams()
    levels = []
    meter, frames = LevelMeter(params), StreamingFrames(params)
    done = 0
    for begin in range(0, samples.size, RATE):
        power, _ = frames.push(samples[begin : begin + RATE])
        meter.push(power)
        levels.append(meter.read_fast_db(done, done + len(power)))
        done += len(power)
    return np.concatenate(levels)


def room(paths: list[Path], seconds: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return noise of a constant median level: clips cross-faded in random order."""
    fade = np.sin(np.linspace(0, np.pi / 2, round(FADE_S * RATE))).astype(np.float32)
    size = round(seconds * RATE)
    noise, at = np.zeros(size + 60 * RATE, np.float32), 0
    while at < size:
        clip = read(paths[rng.integers(len(paths))])[: 60 * RATE]
        level = float(np.median(fast_db(clip)[16:]))
        if level < ROOM_DB - 40:
            continue  # digital silence
        clip = clip * 10 ** ((ROOM_DB - level) / 20)
        clip[: fade.size] *= fade
        clip[-fade.size :] *= fade[::-1]
        clip = clip[: noise.size - at]
        noise[at : at + clip.size] += clip
        at += clip.size - fade.size
    return noise[:size]


def sound(path: Path, above_db: float) -> NDArray[np.float32] | None:
    """Return a clip from its onset on, its peak level `above_db` over the room; None without a clear onset."""
    samples = read(path)[: 4 * RATE]
    energy = np.square(samples[: samples.size // 160 * 160]).reshape(-1, 160).mean(axis=1)
    onset = int(np.argmax(energy > energy.max() * 10**-2.0))
    if energy.max() < 1e-8 or (onset == 0 and energy[0] > energy.max() / 3):
        return None
    samples = samples[onset * 160 :]
    peak = float(fast_db(np.concatenate((samples, np.zeros(RATE // 2, np.float32)))).max())
    return np.asarray(samples * 10 ** ((ROOM_DB + above_db - peak) / 20), np.float32)


def run_watch(samples: NDArray[np.float32], classifier: OnnxClassifier, settings: Away) -> tuple[list[Pattern], float]:
    """Run the watch over a recording; return its reports and its processor seconds."""
    params = classifier.bundle.params
    watch = AwayWatch(settings, params, classifier.bundle.labels)
    frames, meter, taken_s = StreamingFrames(params, params.decision_frames), LevelMeter(params), 0.0
    history = np.full((params.window_frames, params.n_mels), params.silence, np.float32)
    patterns: list[Pattern] = []
    frame = 0
    for begin in range(0, samples.size, 4 * RATE):
        power, mel = frames.push(samples[begin : begin + 4 * RATE])
        meter.push(power)
        joined = np.concatenate((history, mel))
        history = joined[-params.window_frames :]
        uptos = range(params.decision_frames, len(mel) + 1, params.decision_frames)
        rows = (
            classifier.compute_probabilities(np.stack([joined[upto : upto + params.window_frames] for upto in uptos]))
            if len(mel)
            else ()
        )
        before = time.process_time()
        watch.push(frame, meter.read_fast_db(frame, frame + len(mel)))
        for upto, row in zip(uptos, rows, strict=True):
            end = (frame + upto - 1) * params.hop_samples + params.n_fft
            watch.decide(Scores(row, end, min(end, params.window_samples), gap=False))
        patterns += watch.take()
        taken_s += time.process_time() - before
        frame += len(mel)
    return patterns, taken_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("TOCSIN_DATA"), required="TOCSIN_DATA" not in os.environ)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--part", choices=("test", "tune"), default="test")
    arguments = parser.parse_args()
    recordings, rng = Recordings(Path(arguments.data), arguments.part), np.random.default_rng(arguments.seed)
    classifier = load_classifier(Library(Path("/nonexistent")).resolve("city"))
    settings = Away(enabled=True)

    rooms = {
        name: room(recordings.paths(fine, 4.0), arguments.minutes * 60 / len(ROOMS), rng)
        for name, fine in ROOMS.items()
    }
    false, taken_s = 0, 0.0
    print(f"{'room noise':12} {'minutes':>8} {'reports':>8}")
    office = room(recordings.paths(OCCUPIED, 4.0), arguments.minutes * 60 / len(ROOMS), rng)
    for name, noise in (*rooms.items(), ("(people)", office)):
        patterns, spent_s = run_watch(noise, classifier, settings)
        print(
            f"{name:12} {noise.size / RATE / 60:8.1f} {len(patterns):8}  {', '.join(f'{p.onsets[0] / RATE:.1f} s {p.detail}' for p in patterns)}"
        )
        if name in rooms:
            false, taken_s = false + len(patterns), taken_s + spent_s
    total_s = arguments.minutes * 60
    print(
        f"{'together':12} {total_s / 60:8.1f} {false:8}  {100 * taken_s / total_s:.3f} % of a core beside level and model"
    )

    quiet = np.concatenate(list(rooms.values()))
    print(
        f"\n{'sound':8} {'dB above':>8} {'sounds':>7} {'one report':>11} {'within 0.5 s':>13} {'delay p50':>10} {'p95':>6}"
    )
    for name, fine in SOUNDS.items():
        paths = recordings.paths(fine)
        for above_db in ABOVE_DB:
            clips = [
                clip
                for index in rng.permutation(len(paths))[:40]
                if (clip := sound(paths[index], above_db)) is not None
            ]
            begin = int(rng.integers(max(1, quiet.size - round((len(clips) + 2) * EVERY_S * RATE))))
            scene = quiet[begin : begin + round((len(clips) + 2) * EVERY_S * RATE)].copy()
            starts = [round((index + 1 + rng.uniform(0, 0.1)) * EVERY_S * RATE) for index in range(len(clips))]
            for start, clip in zip(starts, clips, strict=True):
                scene[start : start + clip.size] += clip
            patterns, _ = run_watch(scene, classifier, settings)
            until = [*(start - RATE // 4 for start in starts[1:]), scene.size]
            reports = [
                [p for p in patterns if start - RATE // 4 <= p.onsets[0] < end]
                for start, end in zip(starts, until, strict=True)
            ]
            delays = [(found[0].decided - start) / RATE for found, start in zip(reports, starts, strict=True) if found]
            once = sum(len(found) == 1 for found in reports)
            p50, p95 = np.percentile(delays, [50, 95]) if delays else (np.nan, np.nan)
            print(
                f"{name:8} {above_db:8.0f} {len(starts):7} {once:11} {sum(d <= 0.5 for d in delays):13} {p50:8.3f} s {p95:4.2f} s"
            )


if __name__ == "__main__":
    main()
