"""Comparison of two checkouts: replay speed, processor use and latency of a live microphone.

python -m tests.bench.compare --baseline CHECKOUT --data FOLDER_WITH_MANIFEST [--seconds 60] [--trials 20]

Both nodes hear the same virtual microphone at the same time, and the replays take turns, so that a disturbed machine
disturbs both. Each figure is this checkout's beside the baseline's, and their ratio.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import paho.mqtt.client as mqtt
import soundfile as sf
import soxr
from paho.mqtt.enums import CallbackAPIVersion

from edge.data import street_path
from tests.bench.latency import QUIET_ELSE_S, RATE, find_onset
from tests.support.broker import Broker
from tests.support.node import RunningNode
from tests.support.pulse import Pulse

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HERE = Path(__file__).parents[2]
REPLAYS = 5
SCENES = 6  # one behind the other in a recording
PATIENCE_S = 4.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--baseline", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=os.environ.get("TOCSIN_DATA"))
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--trials", type=int, default=20)
    arguments = parser.parse_args()
    checkouts = (HERE, arguments.baseline.resolve())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        compare_replay(checkouts, folder)
        with Pulse() as pulse, contextlib.ExitStack() as stack:
            nodes = [stack.enter_context(running(path, folder / str(i), pulse)) for i, path in enumerate(checkouts)]
            compare_processor([node for node, _ in nodes], pulse, arguments.seconds)
            if arguments.data:
                compare_latency([heard for _, heard in nodes], pulse, Path(arguments.data), arguments.trials, folder)


def print_comparison(what: str, figures: Sequence[float], unit: str) -> None:
    here, there = figures
    print(f"{what}: {here:.2f} {unit} here, {there:.2f} {unit} in the baseline, ratio {here / there:.3f}", flush=True)


def compare_replay(checkouts: tuple[Path, Path], folder: Path) -> None:
    """Print the time of a replay on one core, the fastest of some turns each."""
    scene, rate = sf.read(street_path(), dtype="int16")
    sf.write(folder / "long.wav", np.tile(scene, SCENES), rate, "PCM_16")
    best = [float("inf")] * 2
    for turn in range(2 * REPLAYS):
        which = turn % 2
        command = ["taskset", "-c", "0", sys.executable, "-m", "edge", "replay", str(folder / "long.wav")]
        begin = time.perf_counter()
        subprocess.run(command, cwd=checkouts[which], check=True, stdout=subprocess.DEVNULL)
        best[which] = min(best[which], time.perf_counter() - begin)
    print_comparison(f"replay of {SCENES * scene.size / rate:.0f} s, start-up included", best, "s")


@contextlib.contextmanager
def running(checkout: Path, folder: Path, pulse: Pulse) -> Iterator[tuple[RunningNode, list[float]]]:
    """Run a checkout's node on the microphone; yield it, and the arrival times of its gunshots."""
    folder.mkdir()
    heard: list[float] = []

    def take(_client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        event = json.loads(message.payload)
        if event["subject"] == "gunshot" and str(event["type"]).endswith("start.v1"):
            heard.append(time.monotonic())

    with Broker() as broker:
        client = mqtt.Client(CallbackAPIVersion.VERSION2)
        client.on_message = take
        client.connect("127.0.0.1", broker.port)
        client.subscribe("tocsin/+/+/event", qos=1)
        client.loop_start()
        node = RunningNode(folder, "mic", mqtt_port=broker.port, env=pulse.env)
        node.start(prefix=("env", "-C", str(checkout)))
        try:
            node.wait_for("/readyz")
            yield node, heard
        finally:
            node.stop()
            client.loop_stop()


def compare_processor(nodes: list[RunningNode], pulse: Pulse, seconds: float) -> None:
    """Print the processor use of each node while the street scene plays."""
    with pulse.play(street_path()) as player:
        threading.Event().wait(8)
        before = [node.cpu_s() for node in nodes]
        threading.Event().wait(seconds)
        used = [100 * (node.cpu_s() - begin) / seconds for node, begin in zip(nodes, before, strict=True)]
        player.terminate()
    print_comparison("processor of one microphone", used, "% of a core")
    print_comparison("memory", [node.rss_mb() for node in nodes], "MiB")
    print_comparison("first window", [node.metric("tocsin_first_window_seconds") for node in nodes], "s")


def compare_latency(heard: list[list[float]], pulse: Pulse, data: Path, trials: int, folder: Path) -> None:
    """Print the time from a gunshot's onset to its message, for those that both nodes detected."""
    held_out = json.loads((HERE / "tests" / "data" / "heldout.json").read_text(encoding="utf-8"))["gunshot"]
    times = []
    missed = [0, 0]
    for trial in range(trials):
        samples, rate = sf.read(data / held_out[trial % len(held_out)]["file"], dtype="float32", always_2d=True)
        mono = soxr.resample(samples.mean(axis=1), rate, RATE)
        mono = mono[max(0, find_onset(mono) - RATE // 20) :][: 4 * RATE]
        mono *= 0.5 / max(float(np.abs(mono).max()), 1e-6)
        lead = np.zeros(round(np.random.default_rng(trial).uniform(0.3, 0.8) * RATE), np.float32)
        sf.write(folder / "trial.wav", np.concatenate((lead, mono)), RATE, "PCM_16")
        for arrivals in heard:
            arrivals.clear()
        began = time.monotonic() + (lead.size + find_onset(mono)) / RATE
        with pulse.play(folder / "trial.wav"):
            pass  # leaving waits for its end
        deadline = time.monotonic() + PATIENCE_S
        while not all(heard) and time.monotonic() < deadline:
            time.sleep(0.05)
        missed = [count + (not arrivals) for count, arrivals in zip(missed, heard, strict=True)]
        if all(heard):
            times.append([1e3 * (arrivals[0] - began) for arrivals in heard])
        time.sleep(QUIET_ELSE_S)
    print(f"gunshots missed: {missed[0]} here, {missed[1]} in the baseline, of {trials}")
    for percent in (50, 95):
        print_comparison(f"onset to message, p{percent}", np.percentile(times, percent, axis=0).tolist(), "ms")


if __name__ == "__main__":
    main()
