"""Benchmark of claps to action: latency through a virtual microphone, and processor time.

    python -m tests.bench.reactions --data FOLDER_WITH_MANIFEST [--trials 30] [--seconds 60] [--only latency|node|listener]

latency   double claps of three people, made by `clap_scenes`, are played into a null sink: PulseAudio → PortAudio →
          `tocsin run` → mosquitto. From the last clap at the sink's monitor, the earliest moment at which any program
          could have had it, to the action's MQTT message at a subscriber; less the pattern's waiting time.
node      two nodes side by side on the bundled street, one with claps and away mode (armed), one without: the
          difference of their processor time, twice, the second time started in the other order.
listener  the clap listener alone, fed as a live source feeds it: processor seconds per hour of sound, by class.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import tempfile
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import paho.mqtt.client as mqtt
import soundfile as sf
from paho.mqtt.enums import CallbackAPIVersion

from edge.claps.patterns import Matcher
from edge.data import street_path
from edge.inference.library import Library
from edge.inference.load import load_classifier
from edge.pipeline.build import build_pipeline, load_clap_network
from edge.settings.tree import Settings
from edge.types import Scores
from tests.bench.clap_scenes import PEOPLE, RATE_HZ, Material, read, read_rows, spread
from tests.bench.latency import Monitor
from tests.support.broker import Broker
from tests.support.node import RunningNode
from tests.support.pulse import Pulse

GAPS_S = (0.15, 0.40)  # both claps within the half second that the monitor looks for
NOISE = 1e-3
HANDS = PEOPLE[:3]  # how well each person is heard is the other bench's matter
PATIENCE_S, QUIET_S, SETTLE_S = 4.0, 3.0, 8.0
TOPIC = "bench/lamp"
ACTION = f"""
[claps.patterns.double]
actions = ["lamp"]
[actions.lamp]
type = "mqtt"
topic = "{TOPIC}"
payload = "$event"
"""
ON, OFF = "[away]\narming_s = 0", "[claps]\nenabled = false\n[away]\nenabled = false"
LISTENED_S = 120.0  # of each class


def double_clap(material: Material, person: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return two claps in faint noise, and their sample indices."""
    begins = np.round(np.cumsum([rng.uniform(1.0, 1.5), rng.uniform(*GAPS_S)]) * RATE_HZ).astype(int)
    size = int(begins[-1]) + round(1.5 * RATE_HZ)
    sound = spread(material.some(person, 2, rng), begins, size, rng)
    sound *= 0.5 / np.abs(sound).max()
    return sound + rng.normal(0, NOISE, size).astype(np.float32), begins


def latency(data: Path, trials: int) -> None:
    messages: queue.Queue[tuple[float, str]] = queue.Queue()
    material, waiting_s = Material(data), Matcher(Settings().claps, RATE_HZ).waiting_s["double"]
    excess_s, missed = [], []
    with tempfile.TemporaryDirectory() as folder, Pulse() as pulse, Broker() as broker:
        client = mqtt.Client(CallbackAPIVersion.VERSION2)
        client.on_message = lambda _c, _u, m: messages.put((time.monotonic(), m.payload.decode()))
        client.connect("127.0.0.1", broker.port)
        client.subscribe(TOPIC, qos=1)
        client.loop_start()
        monitor = Monitor(pulse.env)
        with RunningNode(Path(folder), "mic", mqtt_port=broker.port, env=pulse.env, config=ACTION) as node:
            node.wait_for("/readyz")
            time.sleep(QUIET_S)
            for trial in range(trials):
                rng = np.random.default_rng(trial)
                person = HANDS[trial % len(HANDS)]
                sound, begins = double_clap(material, person, rng)
                wav = Path(folder) / "trial.wav"
                sf.write(wav, sound, RATE_HZ, "PCM_16")
                while not messages.empty():
                    messages.get_nowait()
                since = monitor.mark()
                player = pulse.play(wav)
                try:
                    arrived: float | None = messages.get(timeout=PATIENCE_S)[0]
                except queue.Empty:
                    arrived = None
                player.wait()
                # The first clap is looked for and the second counted from it: they may be much alike.
                first = monitor.onset_s(since, sound, int(begins[0]))
                if arrived is None or first is None:
                    missed.append(person)
                else:
                    excess_s.append(arrived - first - (begins[1] - begins[0]) / RATE_HZ - waiting_s)
                time.sleep(QUIET_S)
        monitor.close()
        client.loop_stop()
    p50, p95, worst = np.percentile(np.array(excess_s or [np.nan]) * 1e3, [50, 95, 100])
    print(
        f"last clap to action: {len(excess_s)} of {trials} doubles arrived; beyond the waiting time of {waiting_s:.2f} s "
        f"p50 {p50:.0f} ms  p95 {p95:.0f} ms  max {worst:.0f} ms",
        flush=True,
    )
    if missed:
        print(f"    missed: {', '.join(missed)}", flush=True)


def node_cpu(seconds: float, rounds: int) -> None:
    source, extra = f"file:{street_path()}?loop=1", []
    for number in range(rounds):
        with ExitStack() as stack:
            nodes: dict[str, RunningNode] = {}
            for config in (ON, OFF) if number % 2 == 0 else (OFF, ON):
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
                nodes[config] = stack.enter_context(RunningNode(folder, source, config=config))
            for running in nodes.values():
                running.wait_for("/readyz")
            arm(nodes[ON])
            time.sleep(SETTLE_S)
            before, begin = {config: running.cpu_s() for config, running in nodes.items()}, time.monotonic()
            time.sleep(seconds)
            span_s = time.monotonic() - begin
            on, off = (100 * (nodes[config].cpu_s() - before[config]) / span_s for config in (ON, OFF))
            extra.append(on - off)
            print(
                f"node on the street, {span_s:.0f} s: {on:.2f} % of a core with claps and away, {off:.2f} % without: "
                f"{on - off:+.2f} %",
                flush=True,
            )
    print(f"extra on average {np.mean(extra):+.2f} % of a core", flush=True)


def arm(node: RunningNode) -> None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{node.port}/away",
        json.dumps({"state": "ON"}).encode(),
        {"Content-Type": "application/json"},
        method="PUT",
    )
    urllib.request.urlopen(request, timeout=10).close()  # noqa: S310 - our own node


def listener_cpu(data: Path) -> None:
    settings, library = Settings(), Library(Path("/nonexistent"))
    bundle = load_classifier(library.resolve("city"), provider="cpu").bundle
    network, params = load_clap_network(settings, library), bundle.params
    quiet, rows = np.zeros(len(bundle.labels), np.float32), read_rows(data)
    print(f"{'class':12} {'minutes':>7} {'onsets an hour':>14} {'s per hour':>10} {'% of a core':>11}")
    for label in sorted({row["class"] for row in rows} - {""}):
        files = np.random.default_rng(1).permutation([row["file"] for row in rows if row["class"] == label])
        listener = build_pipeline(bundle, settings, source="mic", clap_network=network).claps
        assert listener is not None
        at, onsets, spent_s, sound = 0, 0, 0.0, np.empty(0, np.float32)
        for name in files:
            if at >= LISTENED_S * RATE_HZ:
                break
            sound = np.concatenate((sound, read(data / name)))
            while sound.size >= params.decision_samples:
                block, sound = sound[: params.decision_samples], sound[params.decision_samples :]
                at += block.size
                before = time.process_time()
                listener.push(block)
                listener.decide(Scores(quiet, at, min(at, params.window_samples), gap=False))
                listener.take()
                spent_s += time.process_time() - before
                onsets += len(listener.take_onsets())
        hours = at / RATE_HZ / 3600
        print(
            f"{label:12} {60 * hours:7.1f} {onsets / hours:14.0f} {spent_s / hours:10.2f} {spent_s / hours / 36:11.3f}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, default=os.environ.get("TOCSIN_DATA"), required="TOCSIN_DATA" not in os.environ
    )
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=60, help="for one reading of the nodes' processor time")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", choices=("latency", "node", "listener"))
    arguments = parser.parse_args()
    data = Path(arguments.data)
    if arguments.only in (None, "latency"):
        latency(data, arguments.trials)
    if arguments.only in (None, "node"):
        node_cpu(arguments.seconds, arguments.rounds)
    if arguments.only in (None, "listener"):
        listener_cpu(data)


if __name__ == "__main__":
    main()
