"""Writer process: records until it is killed (`endless`), the disk is full (`full`) or a file may not grow (`limited`).

It prints each recorded sequence, and the reason if it is not on the disk.
"""

from __future__ import annotations

import itertools
import resource
import sys
import time
from pathlib import Path

from edge.store import Store
from tests.store.messages import TOPIC, sound

LIMIT_BYTES = 400_000


def print_line(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(mode: str, folder: Path) -> None:
    """Record; after a refusal record twice more, free the disk, and record two more."""
    ballast = folder / "ballast"
    if mode == "full":
        ballast.write_bytes(bytes(300_000))
    store = Store(folder, retention_days=90.0, max_events=1000, outbox_max=100_000, clips_max_mb=10)
    if mode == "limited":
        resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT_BYTES, resource.RLIM_INFINITY))
    refusals = 0
    left = 5
    for i in itertools.count():
        made = store.record(sound(f"e{i}"), topic=TOPIC)
        print_line(f"{int(made['sequence'])}")
        if store.problem:
            print_line(f"refused {store.problem}")
            refusals += 1
        if refusals == 3:
            ballast.unlink(missing_ok=True)
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            while store.problem:
                time.sleep(0.05)
                store.catch_up()
        if refusals and not (left := left - 1):
            break
    store.close()


main(sys.argv[1], Path(sys.argv[2]))
