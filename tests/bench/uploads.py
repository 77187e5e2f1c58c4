"""Benchmark of concurrent uploads: delay of the decisions of a live source.

    python -m tests.bench.uploads [--uploads 50] [--rounds 3]

The live source is `udp:` fed in real time with 20 ms packets; the latency of a decision is the time from the packet
that completes its window to the live frame on `GET /live/stream`.
"""

from __future__ import annotations

import argparse
import http.client
import json
import socket
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import numpy as np
import soundfile as sf

from edge.data import street_path
from tests.support.node import RunningNode, free_port

RATE = 16_000
PACKET = RATE // 50
SETTLE_S = 6.0
ALONE_S = 30.0


class Feeder(threading.Thread):
    """A sender of the street scene as packets in real time."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._port = port
        self.stopping = threading.Event()

    def run(self) -> None:
        samples, _ = sf.read(street_path(), dtype="int16")
        out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        begin, packet = time.monotonic(), 0
        while not self.stopping.wait(max(0.0, begin + packet * 0.02 - time.monotonic())):
            at = packet * PACKET % (samples.size - PACKET)
            out.sendto(samples[at : at + PACKET].tobytes(), ("127.0.0.1", self._port))
            packet += 1


class Live(threading.Thread):
    """A reader of live frames that records the age of each decision."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._port = port
        self.ages_ms: list[float] = []

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port)
        connection.request("GET", "/live/stream")
        answer = connection.getresponse()
        while line := answer.readline():
            if line.startswith(b"data:"):
                decided = datetime.fromisoformat(json.loads(line[5:])["time"].replace("Z", "+00:00")).timestamp()
                self.ages_ms.append((time.time() - decided) * 1e3)


def upload(port: int, body: bytes) -> tuple[int, float]:
    """Return the status and the seconds of one upload; after a 429 it is repeated as requested."""
    begin = time.monotonic()
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
        connection.request("POST", "/classify", body, {"Content-Type": "audio/flac"})
        answer = connection.getresponse()
        answer.read()
        if answer.status != http.client.TOO_MANY_REQUESTS:
            return answer.status, time.monotonic() - begin
        time.sleep(float(answer.headers["Retry-After"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--uploads", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    body = street_path().read_bytes()
    udp = free_port()
    with tempfile.TemporaryDirectory() as folder, RunningNode(Path(folder), f"udp://127.0.0.1:{udp}") as node:
        feeder, live = Feeder(udp), Live(node.port)
        feeder.start()
        live.start()
        time.sleep(SETTLE_S)
        live.ages_ms.clear()
        time.sleep(ALONE_S)
        alone = np.percentile(live.ages_ms, [50, 95])
        live.ages_ms.clear()
        results: list[tuple[int, float]] = []
        with ThreadPoolExecutor(arguments.uploads) as pool:
            for _ in range(arguments.rounds):
                results += pool.map(lambda _: upload(node.port, body), range(arguments.uploads))
        beside = np.percentile(live.ages_ms, [50, 95])
        feeder.stopping.set()
        statuses = sorted({status for status, _ in results})
        print(
            f"{len(results)} uploads of {len(body) / 1e6:.1f} MB, {arguments.uploads} at once: status {statuses}, slowest {max(s for _, s in results):.1f} s"
        )
        print(f"live decision alone: p50 {alone[0]:.0f} ms, p95 {alone[1]:.0f} ms")
        print(f"beside uploads:      p50 {beside[0]:.0f} ms, p95 {beside[1]:.0f} ms ({len(live.ages_ms)} decisions)")
        print(f"    p95 grows by {100 * (beside[1] / alone[1] - 1):.0f} %")


if __name__ == "__main__":
    main()
