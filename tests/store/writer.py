"""A process that records until it is killed (`endless`), the disk is full (`full`) or a file may not grow (`limited`).

It prints each sequence once it is recorded, and what it is refused with.
"""

from __future__ import annotations

import itertools
import resource
import sys
from pathlib import Path

from edge.errors import StorageError
from edge.store import Store
from tests.store.messages import TOPIC, sound

LIMIT_BYTES = 400_000


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(mode: str, folder: Path) -> None:
    """Record; when refused, try twice more, make room, and record five more."""
    ballast = folder / "ballast"
    if mode == "full":
        ballast.write_bytes(bytes(300_000))
    store = Store(folder, retention_days=90.0, max_events=1000, outbox_max=100_000, clips_max_mb=10)
    if mode == "limited":
        resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT_BYTES, resource.RLIM_INFINITY))
    refusals = 0
    left = 5
    for i in itertools.count():
        try:
            made = store.record(sound(f"e{i}"), topic=TOPIC)
        except StorageError as exc:
            say(f"refused {exc}")
            refusals += 1
            if refusals == 3:
                ballast.unlink(missing_ok=True)
                resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        else:
            say(f"{int(made['sequence'])}")
            if refusals and not (left := left - 1):
                break
    store.close()


main(sys.argv[1], Path(sys.argv[2]))
