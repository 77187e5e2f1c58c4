"""Benchmark of many sources at real time on one core: dropped windows, lag, batch sizes, processor time.

    python -m tests.bench.sources [--sources 64] [--seconds 60]

Plays the street scene that ships, each source from the same file.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from edge.data import street_path
from tests.support.node import RunningNode

SETTLE_S = 10.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sources", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60)
    arguments = parser.parse_args()
    specs = [f"file:{street_path()}?loop=1"] * arguments.sources
    with tempfile.TemporaryDirectory() as folder:
        node = RunningNode(Path(folder), *specs)
        node.start(prefix=("taskset", "-c", "0"))
        try:
            time.sleep(SETTLE_S)
            windows, cpu_s, begin = node.metric("tocsin_windows_total"), node.cpu_s(), time.monotonic()
            worst_lag_s = 0.0
            while time.monotonic() - begin < arguments.seconds:
                time.sleep(1)
                worst_lag_s = max(worst_lag_s, *(source["lag_s"] for source in node.get("/sources")["items"]))
            span_s = time.monotonic() - begin
            scored = node.metric("tocsin_windows_total") - windows
            print(f"{arguments.sources} sources for {span_s:.0f} s on one core")
            print(
                f"    windows scored {scored:.0f} of {8 * span_s * arguments.sources:.0f}, dropped {node.metric('tocsin_windows_dropped_total'):.0f}"
            )
            print(f"    overflows {node.metric('tocsin_audio_overflows_total'):.0f}, worst lag {worst_lag_s:.2f} s")
            print(
                f"    processor {100 * (node.cpu_s() - cpu_s) / span_s:.0f} % of the core, memory {node.rss_mb():.0f} MiB"
            )
            count = node.metric("tocsin_inference_batch_size_count")
            print(
                f"    mean batch {node.metric('tocsin_inference_batch_size_sum') / count:.1f} windows over {count:.0f} inferences"
            )
        finally:
            node.stop()


if __name__ == "__main__":
    main()
