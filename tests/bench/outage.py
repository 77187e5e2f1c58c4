"""Benchmark of a broker outage with two kills of the node: every event must arrive once, in order.

    python -m tests.bench.outage [--away 60]

The source is the street scene in a loop at eight times real time; a subscriber with a session of its own counts.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import tempfile
import time
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from edge.data import street_path
from tests.support.broker import Broker
from tests.support.node import RunningNode


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--away", type=float, default=60)
    arguments = parser.parse_args()
    received: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name, Broker() as broker:
        client = mqtt.Client(CallbackAPIVersion.VERSION2, "watcher", clean_session=False)
        client.reconnect_delay_set(1, 1)
        client.on_connect = lambda c, *_: c.subscribe("tocsin/+/+/event", qos=1)
        client.on_message = lambda _c, _u, m: received.append(json.loads(m.payload))
        client.connect("127.0.0.1", broker.port)
        client.loop_start()
        node = RunningNode(Path(name), f"file:{street_path()}?loop=1&speed=8", mqtt_port=broker.port)
        node.start()
        time.sleep(15)
        print(f"before: {len(received)} messages received")
        broker.stop()
        for _ in range(2):
            time.sleep(arguments.away / 3)
            node.kill()
            node.start()
        time.sleep(arguments.away / 3)
        waiting = node.metric("tocsin_outbox_messages")
        broker.start()
        begin = time.monotonic()
        while node.metric("tocsin_outbox_messages") and time.monotonic() - begin < 60:
            time.sleep(0.2)
        drained_s = time.monotonic() - begin
        time.sleep(5)
        node.stop()
        time.sleep(2)
        client.loop_stop()
        with sqlite3.connect(node.folder / "state" / "tocsin.db") as database:
            stored = [row[0] for row in database.execute("SELECT sequence FROM events ORDER BY sequence")]
    keys = [(event["source"], event["id"]) for event in received]
    first = list(dict.fromkeys(keys))
    order = [next(int(e["sequence"]) for e in received if (e["source"], e["id"]) == key) for key in first]
    print(
        f"broker away {arguments.away:g} s, node killed twice; {waiting:.0f} messages waited, "
        f"gone {drained_s:.1f} s after its return"
    )
    print(f"stored {len(stored)}, received {len(received)}, different by (source, id) {len(first)}")
    print(
        f"missing {sorted(set(stored) - set(order))}, in order {order == sorted(order)}, sent again {len(received) - len(first)}"
    )


if __name__ == "__main__":
    main()
