"""Folds by published division, by family, or by corpus; each clip is held out once.

Each fold keeps a slice of its training families for calibration: thresholds and temperature never use what is held out.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from edge.errors import DataError, UsageError
from training.data.manifest import collect_labels
from training.data.split import group_families, select_usable, split

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from training.config import Config, DataConfig
    from training.data.manifest import Clip

LEAST_CLIPS = 5
"""Smallest number of clips of an event for a corpus to count as training material."""
KEPT_CORPORA = 2
"""Smallest number of corpora that each event keeps for training in every fold, if it has more."""


@dataclasses.dataclass(frozen=True, slots=True)
class Fold:
    """One division of some clips."""

    name: str
    train: list[Clip]
    validation: list[Clip]
    """Clips for calibration, of families that are not held out."""
    test: list[Clip]
    """Held-out clips."""

    @property
    def corpora(self) -> frozenset[str]:
        """The corpora used for training or calibration in this fold."""
        return frozenset(clip.corpus for clip in (*self.train, *self.validation))

    @property
    def parts(self) -> dict[str, list[Clip]]:
        """The division in the form that `split` returns."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


def choose_division(
    config: Config, families_: int | None, published: str | None, corpora: int | None
) -> tuple[Callable[[Sequence[Clip]], list[Fold]], str]:
    """Return a function that divides clips into folds, and a sentence about it.

    The first of the three arguments that is given decides.
    """
    data, seed = config.data, config.train.seed
    taught = _describe_teachers(config)
    if families_ is not None:
        method = f"{families_} folds of whole recordings and uploaders; each clip scored by a network without its fold."
        return lambda clips: make_group_folds(clips, families_, data, seed), method + taught
    if published is not None:
        method = f"The published folds of {published}; each clip scored by a network without its fold."
        return lambda clips: make_published_folds(clips, published, data, seed), method + taught
    if corpora is None:
        msg = "a division needs a number of folds, a corpus or a number of corpora"
        raise ValueError(msg)
    method = f"Leave-one-corpus-out in {corpora} folds; each clip scored by a network that never heard its corpus."
    return lambda clips: make_corpus_folds(
        clips, data.events or collect_labels(clips), corpora, data, seed
    ), method + taught


def _describe_teachers(config: Config) -> str:
    """Return a sentence about other sources that the networks learnt from.

    Folds do not hold out the recordings that a teacher was trained on.
    """
    data, train = config.data, config.train
    others = [data.teacher, data.logits if train.logit_weight else "", train.init]
    return f" They learnt from these, too: {', '.join(filter(None, others))}." if any(others) else ""


def make_published_folds(clips: Sequence[Clip], corpus: str, config: DataConfig, seed: int) -> list[Fold]:
    """Return the folds published with a corpus, of its own clips alone.

    Raises `DataError` when the corpus does not exist or has fewer than two folds.
    """
    mine = [clip for clip in select_usable(clips, config) if clip.corpus == corpus]
    names = sorted({clip.fold for clip in mine if clip.fold})
    if len(names) < 2:  # noqa: PLR2004 - one fold holds out everything
        msg = f"{len(mine)} clips in {len(names)} published folds are too few, because two are needed"
        raise DataError(msg, where=corpus, remedy="see the manifest's column 'fold'")
    folds = []
    for name in names:
        test = [clip for clip in mine if clip.fold == name]
        rest = [clip for clip in mine if clip.fold != name]
        folds.append(_make_fold(f"fold {name}", rest, test, config, seed))
    return folds


def make_group_folds(clips: Sequence[Clip], count: int, config: DataConfig, seed: int) -> list[Fold]:
    """Return `count` folds of whole families, balanced by class.

    The largest families are placed first, each into the fold with the fewest clips of its main class. Raises
    `UsageError` for fewer than two folds, or more folds than families.
    """
    members = group_families(select_usable(clips, config))
    if not 2 <= count <= len(members):  # noqa: PLR2004 - one fold holds out everything
        msg = f"{len(members)} families of recordings do not make {count} folds"
        raise UsageError(msg, remedy="ask for at least 2 folds, and at most a fold for each family")
    held: list[list[Clip]] = [[] for _ in range(count)]
    filled: list[Counter[str]] = [Counter() for _ in range(count)]
    for family in sorted(members, key=lambda family: (-len(family), _hash_family(family, seed))):
        label = Counter(clip.label for clip in family).most_common(1)[0][0]
        place = min(range(count), key=lambda fold: (filled[fold][label], len(held[fold])))
        held[place].extend(family)
        filled[place].update(clip.label for clip in family)
    everything = [clip for family in members for clip in family]
    folds = []
    for number, test in enumerate(held, 1):
        inside = {clip.index for clip in test}
        rest = [clip for clip in everything if clip.index not in inside]
        folds.append(_make_fold(f"fold {number}", rest, test, config, seed))
    return folds


def make_corpus_folds(
    clips: Sequence[Clip], events: Collection[str], count: int, config: DataConfig, seed: int
) -> list[Fold]:
    """Return `count` folds that leave out every corpus with an event exactly once.

    Leave-one-corpus-out: corpora share a fold as long as each event keeps `KEPT_CORPORA` others with `LEAST_CLIPS`
    clips of it, or all but the one left out if it has fewer; divisions that leave out much of one event at once are
    avoided. A family with a clip in a left-out corpus is not trained on. Raises `DataError` when no clip holds an
    event, `UsageError` when `count` folds are too few.
    """
    taken = select_usable(clips, config)
    held = _count_events(taken, events)
    if not held:
        msg = f"no recording holds {', '.join(sorted(events)) or 'an event'}, so no fold can leave it out"
        raise DataError(msg)
    together = _group_corpora(held, count)
    folds = []
    for number, corpora in enumerate(together, 1):
        test = [clip for clip in taken if clip.corpus in corpora]
        apart = [family for family in group_families(taken) if not any(clip.corpus in corpora for clip in family)]
        rest = [clip for family in apart for clip in family]
        folds.append(_make_fold(f"{number}: without {', '.join(sorted(corpora))}", rest, test, config, seed))
    return folds


def _count_events(clips: Iterable[Clip], events: Collection[str]) -> dict[str, Counter[str]]:
    """Count the clips of each event in each corpus.

    Corpora without an event are left out.
    """
    held: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for clip in clips:
        if mine := set(clip.labels) & set(events):
            held[clip.corpus].update(mine)
    return dict(held)


def _group_corpora(held: Mapping[str, Counter[str]], count: int) -> list[set[str]]:
    total: Counter[str] = sum(held.values(), Counter())
    teaching = {event: {c for c in held if held[c][event] >= LEAST_CLIPS} for event in total}

    def weigh(corpora: Iterable[str]) -> float:
        """Weigh the events left out at once.

        One whole event weighs more than halves of two.
        """
        left_out: Counter[str] = sum((held[corpus] for corpus in corpora), Counter())
        return sum((left_out[event] / total[event]) ** 2 for event in total)

    def may_leave_out(corpora: set[str]) -> bool:
        """Return whether every event keeps corpora to learn from.

        The last one of an event must be left out in some fold.
        """
        return all(
            len(teachers - corpora) >= min(KEPT_CORPORA, len(teachers) - 1)
            for teachers in teaching.values()
            if teachers & corpora
        )

    together: list[set[str]] = [set() for _ in range(count)]
    for corpus in sorted(held, key=lambda corpus: (-weigh([corpus]), corpus)):
        places = [place for place in together if may_leave_out(place | {corpus})]
        if not places:
            msg = f"{count} folds are too few to leave out {corpus}, because its events are in too few other corpora"
            raise UsageError(msg, remedy="ask for more folds")
        min(places, key=lambda place: (weigh(place | {corpus}) - weigh(place), len(place))).add(corpus)
    return [place for place in together if place]


def _make_fold(name: str, rest: Sequence[Clip], test: Sequence[Clip], config: DataConfig, seed: int) -> Fold:
    """Split the clips that are not held out into training and calibration.

    The calibration slice is both small parts of `split` together.
    """
    half = config.validation_share / 2
    slices = dataclasses.replace(config, test_share=half, validation_share=half, test_corpora=())
    parts = split(rest, slices, seed)
    calibrating = sorted(parts["validation"] + parts["test"], key=lambda clip: clip.index)
    if not parts["train"] or not calibrating:
        msg = "too few recordings are left to train on and to calibrate with, besides the held-out ones"
        raise DataError(msg, where=name)
    return Fold(name, parts["train"], calibrating, sorted(test, key=lambda clip: clip.index))


def _hash_family(family: Sequence[Clip], seed: int) -> bytes:
    """Return a sort key of families: stable, and shuffled by the seed."""
    return hashlib.sha256(f"{seed} {min(clip.group for clip in family)}".encode()).digest()
