"""Latency from sound onset to MQTT message: PulseAudio → PortAudio → `tocsin run` → mosquitto.

Plays recordings that training did not see into a null sink and listens at the broker. The onset is taken at the sink's
monitor by a second reader: the earliest moment at which any program could have had the sample. Prints the distribution.

    python -m tests.bench.latency --data FOLDER_WITH_MANIFEST [--trials 40]
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import paho.mqtt.client as mqtt
import soundfile as sf
import soxr
from paho.mqtt.enums import CallbackAPIVersion

from tests.support.broker import Broker
from tests.support.node import RunningNode
from tests.support.pulse import Pulse

RATE = 16_000
LABELS = ("gunshot", "clap", "siren")
PATIENCE_S = 5.0
QUIET_S = {"siren": 6.0}  # until the event before is over and its label may sound again
QUIET_ELSE_S = 3.0


class Monitor:
    """A reader of the sink's monitor, with its samples mapped to the monotonic clock by the earliest arrivals."""

    def __init__(self, env: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [
                "parec",
                "--device=tocsin.monitor",
                "--latency-msec=5",
                f"--rate={RATE}",
                "--channels=1",
                "--format=s16le",
            ],
            env={**os.environ, **env},
            stdout=subprocess.PIPE,
        )
        self._lock = threading.Lock()
        self._parts: list[tuple[int, np.ndarray]] = []
        self._arrivals: list[tuple[float, int]] = []
        self._count = 0
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        while data := os.read(self._process.stdout.fileno(), 4096):
            now = time.monotonic()
            samples = np.frombuffer(data[: len(data) // 2 * 2], np.int16)
            with self._lock:
                self._parts.append((self._count, samples))
                self._count += samples.size
                self._arrivals.append((now - self._count / RATE, self._count))
                del self._parts[:-2000], self._arrivals[:-400]

    def mark(self) -> int:
        with self._lock:
            return self._count

    def onset_s(self, since: int, reference: np.ndarray, onset: int) -> float | None:
        """Return the time of sample `onset` of `reference` at the monitor, found by correlation, or None."""
        with self._lock:
            begin = self._parts[0][0]
            heard = np.concatenate([samples for _, samples in self._parts])[max(0, since - begin) :].astype(np.float32)
            offset_s = min(offset for offset, _ in self._arrivals)
        template = reference[onset : onset + RATE // 2]
        size = 1 << (heard.size + template.size).bit_length()
        product = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(template, size)), size)[: heard.size]
        best = int(product.argmax())
        energy = np.sqrt(np.square(heard[best : best + template.size]).sum() * np.square(template).sum()) + 1e-9
        return offset_s + (max(since, begin) + best) / RATE if product[best] / energy > 0.5 else None

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


def find_onset(samples: np.ndarray) -> int:
    """Return the first sample whose 5 ms level comes within 20 dB of the loudest."""
    hop = RATE // 200
    level = np.sqrt(np.square(samples[: samples.size // hop * hop].reshape(-1, hop)).mean(axis=1))
    return int(np.argmax(level >= level.max() / 10)) * hop


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, default=os.environ.get("TOCSIN_DATA"), required="TOCSIN_DATA" not in os.environ
    )
    parser.add_argument("--trials", type=int, default=40, help="per label")
    parser.add_argument("--labels", nargs="+", default=LABELS)
    arguments = parser.parse_args()
    held_out = json.loads((Path(__file__).parents[1] / "data" / "heldout.json").read_text(encoding="utf-8"))
    messages: queue.Queue[tuple[float, dict[str, object]]] = queue.Queue()
    with tempfile.TemporaryDirectory() as folder, Pulse() as pulse, Broker() as broker:
        client = mqtt.Client(CallbackAPIVersion.VERSION2)
        client.on_message = lambda _c, _u, m: messages.put((time.monotonic(), json.loads(m.payload)))
        client.connect("127.0.0.1", broker.port)
        client.subscribe("tocsin/+/+/event", qos=1)
        client.loop_start()
        monitor = Monitor(pulse.env)
        with RunningNode(Path(folder), "mic", mqtt_port=broker.port, env=pulse.env) as node:
            node.wait_for("/readyz")
            time.sleep(3)
            for label in arguments.labels:
                measure(
                    label,
                    [entry["file"] for entry in held_out[label]],
                    Path(arguments.data),
                    arguments.trials,
                    pulse,
                    monitor,
                    messages,
                    Path(folder),
                )
        monitor.close()
        client.loop_stop()


def measure(
    label: str,
    files: list[str],
    data: Path,
    trials: int,
    pulse: Pulse,
    monitor: Monitor,
    messages: queue.Queue[tuple[float, dict[str, object]]],
    folder: Path,
) -> None:
    latencies, missed, others = [], [], 0
    for trial in range(trials):
        name = files[trial % len(files)]
        samples, rate = sf.read(data / name, dtype="float32", always_2d=True)
        mono = soxr.resample(samples.mean(axis=1), rate, RATE)
        # What comes before the loudest sound may be a fainter one of the same kind: leave it out.
        mono = mono[max(0, find_onset(mono) - RATE // 20) :][: 6 * RATE]
        mono *= 0.5 / max(float(np.abs(mono).max()), 1e-6)
        # A random lead keeps the onset from keeping step with the decisions.
        lead = np.zeros(round(np.random.default_rng(trial).uniform(0.3, 0.8) * RATE), np.float32)
        wav = folder / "trial.wav"
        sf.write(wav, np.concatenate((lead, mono)), RATE, "PCM_16")
        while not messages.empty():
            messages.get_nowait()
        since = monitor.mark()
        player = pulse.play(wav)
        first: float | None = None
        deadline = time.monotonic() + lead.size / RATE + PATIENCE_S
        while first is None and time.monotonic() < deadline:
            try:
                arrived, event = messages.get(timeout=0.1)
            except queue.Empty:
                continue
            if str(event["type"]).endswith("start.v1"):
                if event["subject"] == label:
                    first = arrived
                else:
                    others += 1
        player.wait()
        began = monitor.onset_s(since, mono, find_onset(mono))
        if first is None or began is None:
            missed.append(Path(name).name)
        else:
            latencies.append(first - began)
        time.sleep(QUIET_S.get(label, QUIET_ELSE_S))
    report(label, latencies, missed, others)


def report(label: str, latencies: list[float], missed: list[str], others: int) -> None:
    ms = np.array(latencies or [np.nan]) * 1e3
    p50, p95, worst = np.percentile(ms, [50, 95, 100])
    print(
        f"{label:8} heard {len(latencies)}/{len(latencies) + len(missed)}  p50 {p50:.0f} ms  p95 {p95:.0f} ms  "
        f"max {worst:.0f} ms  events of other labels: {others}",
        flush=True,
    )
    edges = np.arange(0, 2001, 100)
    counts, _ = np.histogram(np.clip(ms[np.isfinite(ms)], 0, 1999), edges)
    for low, count in zip(edges, counts, strict=False):
        if count:
            print(f"    {low:4d}-{low + 100:4d} ms {'#' * count}", flush=True)
    if missed:
        print(f"    missed: {', '.join(missed)}", flush=True)


if __name__ == "__main__":
    main()
