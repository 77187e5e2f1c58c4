"""The command `import`: recordings copied into a folder with a manifest."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from edge.errors import UsageError
from training.data.imports import LAYOUTS
from training.data.imports.classes import read_classes
from training.data.imports.collect import import_corpus
from training.data.imports.cut import PART_S
from training.data.manifest import split_labels
from training.report.tables import Table

if TYPE_CHECKING:
    import argparse

    from training.data.imports.collect import ImportResult

_FEWEST_GROUPS = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    layouts = "; ".join(f"{name}: {layout.what}" for name, layout in LAYOUTS.items())
    parser.description = f"Recordings become 16 kHz mono FLAC in parts of about {PART_S} s. {layouts}."
    parser.add_argument("layout", choices=LAYOUTS)
    parser.add_argument("source", type=Path, help="the corpus's folder")
    parser.add_argument("out", type=Path, help="folder for manifest.csv and the sounds; may hold other corpora already")
    parser.add_argument("--map", type=Path, metavar="FILE", help="class mapping: a TOML file of new = [old, ...]")
    parser.add_argument("--corpus", help="name of the corpus (default: its own, or the folder's)")


def run(options: argparse.Namespace) -> None:
    """Import a corpus and print a summary.

    Raises `DataError` for a corpus that cannot be used, `OSError` for one that does not exist.
    """
    source, out = options.source.resolve(), options.out.resolve()
    if out.is_relative_to(source):
        msg = f"the folder lies in {options.source}"
        raise UsageError(msg, where=options.out, remedy="import into a folder elsewhere")
    layout = LAYOUTS[options.layout]
    new_of = read_classes(options.map) if options.map else {}
    corpus = options.corpus or layout.corpus or source.name
    imported = import_corpus(corpus, layout.read(options.source), out, new_of)
    print(summarize(imported))


def summarize(imported: ImportResult) -> str:
    """Return the summary of an import as text.

    It has a row per label, the recordings left out, and the labels with too few recordings.
    """
    groups: defaultdict[str, set[str]] = defaultdict(set)
    clips, seconds = Counter[str](), Counter[str]()
    for row in imported.rows:
        for label in split_labels(row["class"]):
            groups[label].add(row["group"])
            clips[label] += 1
            seconds[label] += round(float(row["duration_s"]))
    rows = [
        [label, str(len(mine)), str(clips[label]), f"{seconds[label] / 60:.1f}"]
        for label, mine in sorted(groups.items())
    ]
    lines = [Table(["label", "recordings", "clips", "minutes"], rows).to_markdown()]
    if imported.skipped:
        lines.append(f"{imported.skipped} recordings cannot be used and are left out, see above")
    if imported.dropped:
        named = ", ".join(f"{label} ({count})" for label, count in sorted(imported.dropped.items()))
        lines.append(f"of classes that the mapping does not name: {named}")
    few = sorted(label for label, mine in groups.items() if len(mine) < _FEWEST_GROUPS)
    if few:
        lines.append(f"to learn, calibrate and measure takes {_FEWEST_GROUPS} recordings; too few: {', '.join(few)}")
    return "\n".join(lines)
