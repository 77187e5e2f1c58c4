"""Check of the accesses of a node with all features: names, addresses and files.

    python -m tests.bench.privacy [--minutes 10]

`tocsin run` in an empty home folder, with sources from a file, over UDP and on standard input, a real mosquitto, Home
Assistant, clips, away mode, claps and an action of each kind, while recordings are uploaded and every route is read.
Prints the accesses beyond broker, webhook, API and state folder; the exit status is 1 if there are any.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import itertools
import os
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import soundfile as sf

from edge.data import street_path
from tests.actions.webhook_server import WebhookServer
from tests.support.broker import Broker
from tests.support.claps import row_of_claps
from tests.support.node import RunningNode, free_port
from tests.support.spy import Spy

RATE_HZ, STEP = 16_000, 1_600
EVERY_S = 2.0
COUNTED = ("windows", "events", "patterns", "actions", "classify_requests")
ROUTES = [
    "/",
    "/docs",
    "/openapi.json",
    "/events",
    "/sources",
    "/models",
    "/config",
    "/away",
    "/readyz",
    "/metrics",
    "/schema/event.json",
]
CONFIG = """
[homeassistant]
enabled = true
[privacy]
keep_clips = true
[detection]
save_clip = true
[away]
arming_s = 0
actions = ["message", "hook", "program"]
[claps.patterns.double]
actions = ["message", "hook", "program"]
[actions.message]
type = "mqtt"
topic = "bench/lamp"
toggle = {{ state_topic = "bench/lamp/state" }}
[actions.hook]
type = "webhook"
url = "{hook}/light"
[actions.program]
type = "command"
command = ["true"]
"""


def feed(packets: itertools.cycle[bytes], udp_port: int, pipe: int, stopping: threading.Event) -> None:
    """Send the same sound to both sources in real time."""
    link, begin = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), time.monotonic()
    for number, packet in enumerate(packets):
        if stopping.wait(max(0.0, begin + number * STEP / RATE_HZ - time.monotonic())):
            return
        link.sendto(packet, ("127.0.0.1", udp_port))
        os.write(pipe, packet)


def sound() -> bytes:
    """Return the street scene followed by a few double claps."""
    street, _ = sf.read(street_path(), dtype="float32")
    rng = np.random.default_rng(1)
    claps = [row_of_claps(rng, (1.0, 1.3), length_s=4.0) for _ in range(4)]
    return (np.concatenate([street, *claps]) * 32_767).astype("<i2").tobytes()


def request(node: RunningNode, path: str, body: bytes | None = None, *, kind: str = "audio/flac") -> None:
    method = "GET" if body is None else "PUT" if path == "/away" else "POST"
    connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=60)
    with contextlib.closing(connection):
        connection.request(method, path, body, {"Content-Type": kind})
        connection.getresponse().read()


def visit(node: RunningNode, seconds: float) -> int:
    """Upload recordings and read all routes repeatedly; return the number of rounds."""
    upload, end = street_path().read_bytes(), time.monotonic() + seconds
    rounds = 0
    while time.monotonic() < end:
        for path in ROUTES:
            request(node, path)
        if rounds % 5 == 0:
            request(node, "/classify", upload)
        rounds += 1
        time.sleep(EVERY_S)
    return rounds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    arguments = parser.parse_args()
    data = sound()
    packets = itertools.cycle([data[at : at + 2 * STEP] for at in range(0, len(data) - 2 * STEP, 2 * STEP)])
    udp_port, stopping = free_port(), threading.Event()
    reading, writing = os.pipe()
    with tempfile.TemporaryDirectory() as name, Broker() as broker, WebhookServer() as hook:
        folder = Path(name)
        spy = Spy(folder / "spy")
        sources = (f"file:{street_path()}?loop=1", f"udp://127.0.0.1:{udp_port}", "pcm:-")
        config = CONFIG.format(hook=hook.place)
        node = RunningNode(folder, *sources, mqtt_port=broker.port, only_env=spy.env, config=config)
        node.start(stdin=reading)
        feeder = threading.Thread(target=feed, args=(packets, udp_port, writing, stopping), daemon=True)
        feeder.start()
        try:
            request(node, "/away", b'{"state": "ON"}', kind="application/json")
            rounds = visit(node, 60 * arguments.minutes)
            heard = {kind: node.metric(f"tocsin_{kind}_total") for kind in COUNTED}
            clips = len(list((folder / "state" / "clips").rglob("*.*")))
        finally:
            stopping.set()
            feeder.join()
            code = node.stop()
        beyond = spy.reached().beyond(folder / "state")
    print(f"{arguments.minutes:g} minutes, ended with {code}; read every route {rounds} times, {clips} clips kept")
    print(", ".join(f"{count:.0f} {kind}" for kind, count in heard.items()))
    print(*(beyond or ["nothing else was looked up, spoken to or written"]), sep="\n")
    return int(bool(beyond))


if __name__ == "__main__":
    sys.exit(main())
