"""Folds: divisions in which every recording is held out once, by its corpus's own folds, by family, or by corpus.

Each fold keeps a slice of its training families for calibration: thresholds and temperature never see what is held out.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from edge.errors import DataError, UsageError
from training.data.manifest import labels_of
from training.data.split import families, split, usable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from training.config import Config, DataConfig
    from training.data.manifest import Clip

LEAST_CLIPS = 5
"""Clips of an event from which a corpus counts as one to learn it from."""
KEPT_CORPORA = 2
"""Corpora that each event keeps to learn from in every fold, where it has more."""


@dataclasses.dataclass(frozen=True, slots=True)
class Fold:
    """One division of some clips."""

    name: str
    train: list[Clip]
    validation: list[Clip]
    """Of the families that are not held out: what calibrates."""
    test: list[Clip]
    """Held out."""

    @property
    def corpora(self) -> frozenset[str]:
        """What the fold's network has heard of: the corpora that it learns from or is calibrated on."""
        return frozenset(clip.corpus for clip in (*self.train, *self.validation))

    @property
    def parts(self) -> dict[str, list[Clip]]:
        """The division as `split` gives it."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


def division(
    config: Config, families_: int | None, published: str | None, corpora: int | None
) -> tuple[Callable[[Sequence[Clip]], list[Fold]], str]:
    """Return how to divide clips, and a sentence about it: by the first of the three that is given."""
    data, seed = config.data, config.train.seed
    taught = _taught(config)
    if families_ is not None:
        method = f"{families_} folds of whole recordings and uploaders; each clip scored by a network without its fold."
        return lambda clips: group_folds(clips, families_, data, seed), method + taught
    if published is not None:
        method = f"The published folds of {published}; each clip scored by a network without its fold."
        return lambda clips: published_folds(clips, published, data, seed), method + taught
    if corpora is None:
        msg = "a division needs a number of folds, a corpus or a number of corpora"
        raise ValueError(msg)
    method = f"Leave-one-corpus-out in {corpora} folds; each clip scored by a network that never heard its corpus."
    return lambda clips: corpus_folds(clips, data.events or labels_of(clips), corpora, data, seed), method + taught


def _taught(config: Config) -> str:
    """Return a sentence about what else taught the networks: a fold cannot keep out what a teacher has heard."""
    data, train = config.data, config.train
    others = [data.teacher, data.logits if train.logit_weight else "", train.init]
    return f" They learnt from these, too: {', '.join(filter(None, others))}." if any(others) else ""


def published_folds(clips: Sequence[Clip], corpus: str, config: DataConfig, seed: int) -> list[Fold]:
    """Return the folds that a corpus was published with, of its own clips alone.

    Raises `DataError` when the corpus is not there or has fewer than two folds.
    """
    mine = [clip for clip in usable(clips, config) if clip.corpus == corpus]
    names = sorted({clip.fold for clip in mine if clip.fold})
    if len(names) < 2:  # noqa: PLR2004 - one fold holds out everything
        msg = f"{len(mine)} clips in {len(names)} published folds are too few, because two are needed"
        raise DataError(msg, where=corpus, remedy="see the manifest's column 'fold'")
    folds = []
    for name in names:
        test = [clip for clip in mine if clip.fold == name]
        rest = [clip for clip in mine if clip.fold != name]
        folds.append(_fold(f"fold {name}", rest, test, config, seed))
    return folds


def group_folds(clips: Sequence[Clip], count: int, config: DataConfig, seed: int) -> list[Fold]:
    """Return `count` folds of whole families, with about as many clips of each class in every fold.

    The largest families are placed first, each into the fold that has the least of its main class. Raises `UsageError`
    for fewer than two folds, or more folds than families.
    """
    members = families(usable(clips, config))
    if not 2 <= count <= len(members):  # noqa: PLR2004 - one fold holds out everything
        msg = f"{len(members)} families of recordings do not make {count} folds"
        raise UsageError(msg, remedy="ask for at least 2 folds, and at most a fold for each family")
    held: list[list[Clip]] = [[] for _ in range(count)]
    filled: list[Counter[str]] = [Counter() for _ in range(count)]
    for family in sorted(members, key=lambda family: (-len(family), _order(family, seed))):
        label = Counter(clip.label for clip in family).most_common(1)[0][0]
        place = min(range(count), key=lambda fold: (filled[fold][label], len(held[fold])))
        held[place].extend(family)
        filled[place].update(clip.label for clip in family)
    everything = [clip for family in members for clip in family]
    folds = []
    for number, test in enumerate(held, 1):
        inside = {clip.index for clip in test}
        rest = [clip for clip in everything if clip.index not in inside]
        folds.append(_fold(f"fold {number}", rest, test, config, seed))
    return folds


def corpus_folds(
    clips: Sequence[Clip], events: Collection[str], count: int, config: DataConfig, seed: int
) -> list[Fold]:
    """Return `count` folds that leave out every corpus that holds an event exactly once (leave-one-corpus-out).

    Corpora are left out together so long as each event keeps `KEPT_CORPORA` others with `LEAST_CLIPS` clips of it, or
    all but the one left out where it has fewer; of the ways to put them, those that leave much of one event out at once
    are avoided. A family that reaches into a left-out corpus is not trained on. Raises `DataError` when no clip holds
    an event, `UsageError` when `count` folds are too few.
    """
    taken = usable(clips, config)
    held = _held(taken, events)
    if not held:
        msg = f"no recording holds {', '.join(sorted(events)) or 'an event'}, so no fold can leave it out"
        raise DataError(msg)
    together = _grouped(held, count)
    folds = []
    for number, corpora in enumerate(together, 1):
        test = [clip for clip in taken if clip.corpus in corpora]
        apart = [family for family in families(taken) if not any(clip.corpus in corpora for clip in family)]
        rest = [clip for family in apart for clip in family]
        folds.append(_fold(f"{number}: without {', '.join(sorted(corpora))}", rest, test, config, seed))
    return folds


def _held(clips: Iterable[Clip], events: Collection[str]) -> dict[str, Counter[str]]:
    """Return how many clips of each event each corpus holds; corpora without any are left away."""
    held: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for clip in clips:
        if mine := set(clip.labels) & set(events):
            held[clip.corpus].update(mine)
    return dict(held)


def _grouped(held: Mapping[str, Counter[str]], count: int) -> list[set[str]]:
    total: Counter[str] = sum(held.values(), Counter())
    teaching = {event: {c for c in held if held[c][event] >= LEAST_CLIPS} for event in total}

    def weight(corpora: Iterable[str]) -> float:
        """How much of the events is left out at once: one whole event weighs more than halves of two."""
        left_out: Counter[str] = sum((held[corpus] for corpus in corpora), Counter())
        return sum((left_out[event] / total[event]) ** 2 for event in total)

    def allowed(corpora: set[str]) -> bool:
        """Whether every event keeps corpora to learn from; the last one of an event must be left out some time."""
        return all(
            len(teachers - corpora) >= min(KEPT_CORPORA, len(teachers) - 1)
            for teachers in teaching.values()
            if teachers & corpora
        )

    together: list[set[str]] = [set() for _ in range(count)]
    for corpus in sorted(held, key=lambda corpus: (-weight([corpus]), corpus)):
        places = [place for place in together if allowed(place | {corpus})]
        if not places:
            msg = f"{count} folds are too few to leave out {corpus}, because its events are in too few other corpora"
            raise UsageError(msg, remedy="ask for more folds")
        min(places, key=lambda place: (weight(place | {corpus}) - weight(place), len(place))).add(corpus)
    return [place for place in together if place]


def _fold(name: str, rest: Sequence[Clip], test: Sequence[Clip], config: DataConfig, seed: int) -> Fold:
    """Take the slice that calibrates out of what is not held out: both small parts of `split` together."""
    half = config.validation_share / 2
    slices = dataclasses.replace(config, test_share=half, validation_share=half, test_corpora=())
    parts = split(rest, slices, seed)
    calibrating = sorted(parts["validation"] + parts["test"], key=lambda clip: clip.index)
    if not parts["train"] or not calibrating:
        msg = "too few recordings are left to train on and to calibrate with, besides the held-out ones"
        raise DataError(msg, where=name)
    return Fold(name, parts["train"], calibrating, sorted(test, key=lambda clip: clip.index))


def _order(family: Sequence[Clip], seed: int) -> bytes:
    """Return what to sort families by: stable, and shuffled by the seed."""
    return hashlib.sha256(f"{seed} {min(clip.group for clip in family)}".encode()).digest()
