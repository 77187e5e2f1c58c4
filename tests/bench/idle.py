"""Benchmark of one live microphone: processor, memory, time to the first window, and `tocsin --help`.

python -m tests.bench.idle [--seconds 60]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from edge.data import street_path
from tests.support.broker import Broker
from tests.support.node import RunningNode
from tests.support.pulse import Pulse


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    arguments = parser.parse_args()
    times = []
    for _ in range(7):
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-m", "edge", "--help"], check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - begin)
    print(f"--help: median {sorted(times)[3]:.3f} s of 7, best {min(times):.3f} s")
    with tempfile.TemporaryDirectory() as folder, Pulse() as pulse, Broker() as broker:
        player = pulse.play(street_path())
        with RunningNode(Path(folder), "mic", mqtt_port=broker.port, env=pulse.env) as node:
            node.wait_for("/readyz")
            time.sleep(8)
            windows, cpu_s, begin = node.metric("tocsin_windows_total"), node.cpu_s(), time.monotonic()
            time.sleep(arguments.seconds)
            span_s = time.monotonic() - begin
            print(
                f"first window scored {node.metric('tocsin_first_window_seconds'):.2f} s after the start of the process"
            )
            print(f"{(node.metric('tocsin_windows_total') - windows) / span_s:.2f} decisions a second")
            print(f"processor {100 * (node.cpu_s() - cpu_s) / span_s:.2f} % of one core, capture process included")
            print(f"memory {node.rss_mb():.0f} MiB, capture process included")
        player.terminate()
        player.wait()


if __name__ == "__main__":
    main()
