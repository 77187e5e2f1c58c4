"""Benchmark of `tocsin replay`: speed on one core, and equal events at every speed and from `run`.

    python -m tests.bench.replay --data FOLDER_WITH_MANIFEST [--minutes 60] [--live-minutes 3]

The hour is made by joining clips of every class, end to end. `--speed 20` and `run --source file:` take the first
`--live-minutes` of it (an hour at real time is an hour; give 60 to compare all of it).
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf
import soxr

from edge.clock import parse_rfc3339
from tests.support.node import RunningNode

RATE = 16_000
SEED = 11
ROUNDING_S = 0.0025


def make_recording(data: Path, path: Path, minutes: float) -> None:
    """Join random clips into one 16-bit file of `minutes`."""
    with (data / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["class"]]
    rng = np.random.default_rng(SEED)
    left = round(minutes * 60 * RATE)
    with sf.SoundFile(path, "w", RATE, 1, "PCM_16") as out:
        while left > 0:
            samples, rate = sf.read(data / rows[rng.integers(len(rows))]["file"], dtype="float32", always_2d=True)
            mono = soxr.resample(samples.mean(axis=1), rate, RATE)[:left]
            out.write(mono)
            left -= mono.size


def unix_s(text: str) -> float:
    """Return an RFC 3339 time as Unix seconds."""
    return parse_rfc3339(text).timestamp()


def select_comparable(event: dict[str, Any], origin_s: float) -> tuple[Any, ...]:
    """Return the part of an event that must be equal: no ids, no wall times."""
    data = event["data"]
    return (
        event["subject"], data["phase"], data["score"], data["peak_score"], data["laeq"], data["lafmax"], data["gap"],
        unix_s(data["onset_time"]) - origin_s,
        None if data["end_time"] is None else unix_s(data["end_time"]) - origin_s,
    )  # fmt: skip


def replay(path: Path, speed: str, prefix: tuple[str, ...] = ()) -> tuple[list[dict[str, Any]], float, float]:
    """Return the events, the wall time and the processor time of a replay, start-up included."""
    before = os.times()
    begin = time.perf_counter()
    out = subprocess.run(
        [*prefix, sys.executable, "-m", "edge", "replay", str(path), "--speed", speed], check=True, capture_output=True
    )
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return [json.loads(line) for line in out.stdout.splitlines()], time.perf_counter() - begin, cpu


def positions(events: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Return the comparable part of replayed events, times from the start of the file."""
    origin = unix_s(events[0]["data"]["onset_time"]) - events[0]["data"]["onset_s"] if events else 0.0
    return [select_comparable(event, origin) for event in events]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, default=os.environ.get("TOCSIN_DATA"), required="TOCSIN_DATA" not in os.environ
    )
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--live-minutes", type=float, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        hour, part = folder / "hour.wav", folder / "part.wav"
        make_recording(Path(arguments.data), hour, arguments.minutes)
        make_recording(Path(arguments.data), part, arguments.live_minutes)
        events, wall_s, cpu_s = replay(hour, "max", ("taskset", "-c", "0"))
        length_s = arguments.minutes * 60
        print(
            f"replay of {arguments.minutes:g} min on one core: {wall_s:.2f} s wall, {cpu_s:.2f} s of processor, start-up included"
        )
        print(f"    {length_s / wall_s:.0f} x real time, {len(events)} messages")
        fast, slow = replay(part, "max")[0], replay(part, "20")[0]
        print(
            f"--speed max and --speed 20 over {arguments.live_minutes:g} min: {same(positions(fast), positions(slow))}"
        )
        live = run_service(part, folder, arguments.live_minutes * 60)
        origin = unix_s(live[0]["data"]["onset_time"]) - fast[0]["data"]["onset_s"] if live and fast else 0.0
        print(
            f"--speed max and run --source file: {same(positions(fast), [select_comparable(e, origin) for e in live])}"
        )


def equal(a: tuple[Any, ...], b: tuple[Any, ...]) -> bool:
    """Compare two events; a time in a message is rounded to milliseconds."""
    near = (
        x is y or (x is not None and y is not None and abs(x - y) < ROUNDING_S)
        for x, y in zip(a[-2:], b[-2:], strict=True)
    )
    return a[:-2] == b[:-2] and all(near)


def same(a: list[tuple[Any, ...]], b: list[tuple[Any, ...]]) -> str:
    """Return whether two lists of events are equal; print the first difference."""
    first = next((pair for pair in zip(a, b, strict=False) if not equal(*pair)), None)
    if first is None and len(a) == len(b):
        return f"the same {len(a)} messages"
    return f"DIFFERENT: {len(a)} and {len(b)} messages; first difference: {first}"


def run_service(path: Path, folder: Path, length_s: float) -> list[dict[str, Any]]:
    """Return the events that a live service makes of a file, in order."""
    with RunningNode(folder, f"file:{path}") as node:
        deadline = time.monotonic() + length_s + 30
        while node.get("/sources")["items"][0]["state"] != "offline" and time.monotonic() < deadline:
            time.sleep(1)
        time.sleep(2)
        messages: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = node.get(f"/events?limit=1000{cursor}")
            for item in page["items"]:
                messages += node.get(f"/events/{item['event_id'] if 'event_id' in item else item['data']['event_id']}")[
                    "messages"
                ]
            if not page["next_cursor"]:
                return sorted(messages, key=lambda message: message["sequence"])
            cursor = f"&cursor={page['next_cursor']}"


if __name__ == "__main__":
    main()
