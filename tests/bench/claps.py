"""Benchmark of clap patterns: real double claps, built sequences, and other sounds.

    python -m tests.bench.claps --data FOLDER_WITH_MANIFEST takes|sequences|false [--seed 1] [--limit N] [--json]

takes      every recorded double clap, in a stream of its own: exactly one `double` is right. The clap
           network's training has the takes with even numbers; those with odd numbers are untouched.
sequences  1, 2, 3, 4 and 6 single claps of five people in made-up rooms over real backgrounds (see `clap_scenes`), at
           20 and 10 dB SNR, gaps of 150 to 700 ms: 2 and 3 are patterns, the others must be none. `--limit` is the
           number of sequences in a cell. The clap network's training has the backgrounds, but none of these claps;
           the event model's may have either.
false      every other recording as it is: each pattern that is not suppressed is a false one. The shipped networks were
           trained on most of them; `--fold K` with a network that was trained without fold K tells more.

Everything goes through the full pipeline: event model, clap network, guards. `--json` prints a line a recording.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.inference.library import Library
from edge.inference.load import load_classifier
from edge.pipeline.build import build_pipeline, load_clap_network
from edge.settings.tree import Settings
from edge.types import AudioBlock
from tests.bench.clap_scenes import BACKGROUNDS, PEOPLE, RATE_HZ, Material, Sequence, parse_number, read, read_rows
from tests.bench.clap_tables import CLAPS, SNR_DB, Heard, print_false, print_sequences, print_takes
from training.data.manifest import read_manifest
from training.data.split import group_families

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from edge.inference.onnx import OnnxClassifier

TAKES = "travisjayday"
FOLDS = 5
BLOCK = 4 * RATE_HZ


@dataclass(frozen=True)
class Networks:
    """The networks to load in every process."""

    model: str
    claps: str

    def load(self) -> tuple[OnnxClassifier, OnnxClassifier | None, Settings]:
        library = Library(Path("/nonexistent"))
        settings = Settings.model_validate({"claps": {"bundle": self.claps}, "away": {"enabled": False}})
        return (
            load_classifier(library.resolve(self.model), provider="cpu"),
            load_clap_network(settings, library),
            settings,
        )


_networks = cache(Networks.load)
_material = cache(Material)


def listen(samples: NDArray[np.float32], what: dict[str, Any], networks: Networks) -> Heard:
    """Run a recording through a new pipeline."""
    classifier, clap_network, settings = _networks(networks)
    pipeline = build_pipeline(classifier.bundle, settings, source="mic", clap_network=clap_network)
    assert pipeline.claps is not None
    heard = Heard(what, samples.size / RATE_HZ)
    for start in range(0, samples.size, BLOCK):
        pipeline.push(AudioBlock(samples[start : start + BLOCK], start), classifier)
        _note(heard, pipeline)
    pipeline.finish(classifier)
    _note(heard, pipeline)
    return heard


def _note(heard: Heard, pipeline: Any) -> None:
    heard.onsets += [(o.at / RATE_HZ, round(o.probability, 4), o.reason) for o in pipeline.claps.take_onsets()]
    for pattern in pipeline.take_patterns():
        if pattern.reason:
            heard.suppressed.append((pattern.name, pattern.reason, pattern.detail))
        else:
            heard.counted.append(pattern.name)
            at = " ".join(f"{onset / RATE_HZ:.2f}" for onset in pattern.onsets)
            heard.patterns.append(
                f"{pattern.name} at {at} s, {pattern.level_db:.0f} dB, confidence {pattern.confidence:.2f}"
            )


def listen_to_file(task: tuple[Path, dict[str, str], Networks]) -> Heard:
    folder, row, networks = task
    return listen(read(folder / row["file"]), row, networks)


def listen_to_sequence(task: tuple[Path, Sequence, Networks]) -> Heard:
    folder, sequence, networks = task
    scene = _material(folder).build(sequence)
    what = {**asdict(sequence), "background": scene.background, "begins_s": scene.begins_s}
    return listen(scene.samples, what, networks)


def takes(folder: Path, arguments: argparse.Namespace) -> Iterator[dict[str, str]]:
    rows = [row for row in read_rows(folder) if row["class"] == "clap" and row["group"] == TAKES]
    yield from sorted(rows, key=parse_number)[: arguments.limit]


def others(folder: Path, arguments: argparse.Namespace) -> Iterator[dict[str, str]]:
    rows = read_rows(folder)
    inside = None if arguments.fold is None else fold(folder, arguments.fold)
    chosen = [row for n, row in enumerate(rows) if inside is None or n in inside]
    yield from [row for row in chosen if row["class"] not in ("clap", "")][: arguments.limit]


def fold(folder: Path, number: int) -> set[int]:
    """Return the rows of the manifest in one of five parts, which share no recording and no person."""
    parts = ((family, min(clip.group for clip in family)) for family in group_families(read_manifest(folder)))
    return {
        clip.index
        for family, key in parts
        if int(hashlib.sha256(key.encode()).hexdigest(), 16) % FOLDS == number
        for clip in family
    }


def sequences(_: Path, arguments: argparse.Namespace) -> Iterator[Sequence]:
    for claps, snr_db, steady in product(CLAPS, SNR_DB, (False, True)):
        for number in range(arguments.limit or 200):
            person = PEOPLE[number % len(PEOPLE)]
            place = tuple(BACKGROUNDS)[number // len(PEOPLE) % len(BACKGROUNDS)]
            yield Sequence(claps, snr_db, steady, person, place, number, arguments.seed)


JOBS: dict[str, tuple[Callable[..., Any], Callable[..., Any], Callable[..., None]]] = {
    "takes": (takes, listen_to_file, print_takes),
    "sequences": (sequences, listen_to_sequence, print_sequences),
    "false": (others, listen_to_file, print_false),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", choices=JOBS)
    parser.add_argument(
        "--data", type=Path, default=os.environ.get("TOCSIN_DATA"), required="TOCSIN_DATA" not in os.environ
    )
    parser.add_argument("--model", default="city", help="id or folder of the event model")
    parser.add_argument("--network", default="claps", help="id or folder of the clap network")
    parser.add_argument("--fold", type=int, choices=range(FOLDS), help="false: only this fifth of the recordings")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit", type=int, help="recordings, or sequences in a cell (200)")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    folder, networks = Path(arguments.data), Networks(arguments.model, arguments.network)
    choose, work, show = JOBS[arguments.job]
    tasks = [(folder, entry, networks) for entry in choose(folder, arguments)]
    with ProcessPoolExecutor(arguments.jobs) as pool:
        all_heard = list(pool.map(work, tasks, chunksize=16))
    if arguments.json:
        print("\n".join(json.dumps(asdict(heard)) for heard in all_heard))
    else:
        show(all_heard)


if __name__ == "__main__":
    main()
