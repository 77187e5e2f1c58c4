"""Benchmark of a microphone that disappears: times until the node reports it and records again.

    python -m tests.bench.microphone [--away 30]

PulseAudio is killed and started again under a running node; afterwards the street scene's gunshots are played.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import soundfile as sf

from edge.data import street_path
from tests.support.broker import Broker
from tests.support.listener import Listener
from tests.support.node import RunningNode
from tests.support.pulse import Pulse

SHOTS_S = (48.0, 56.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--away", type=float, default=30)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, Pulse() as pulse, Broker() as broker:
        shots = Path(name) / "shots.wav"
        samples, rate = sf.read(street_path())
        sf.write(shots, samples[round(SHOTS_S[0] * rate) : round(SHOTS_S[1] * rate)], rate)
        listener = Listener(broker)
        status = "tocsin/bench/s0/status"
        with RunningNode(Path(name), "mic", mqtt_port=broker.port, env=pulse.env) as node:
            listener.wait(lambda heard: heard.last(status) in ("online", "silent"))
            time.sleep(3)
            gone = time.monotonic()
            pulse.stop()
            listener.wait(lambda heard: heard.last(status) == "offline", arguments.away)
            print(f"offline {time.monotonic() - gone:.2f} s after the microphone went")
            time.sleep(max(0.0, gone + arguments.away - time.monotonic()))
            back = time.monotonic()
            pulse.start()
            listener.wait(lambda heard: heard.last(status) in ("online", "silent"), 30)
            print(f"online {time.monotonic() - back:.2f} s after its return")
            before = len(listener.events())
            pulse.play(shots).wait()
            listener.wait(lambda heard: len(heard.events()) > before, 15)
            print(f"detected {listener.events()[before]['subject']}, {time.monotonic() - back:.1f} s after its return")
            print(f"same process: {node.process is not None and node.process.poll() is None}")
            source = node.get("/sources")["items"][0]
            print(
                f"gap counted: {source['gap_s']:.1f} s; windows dropped: {node.metric('tocsin_windows_dropped_total'):.0f}"
            )
        listener.close()


if __name__ == "__main__":
    main()
