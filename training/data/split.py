"""Training, validation and test parts without a common recording or person."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from edge.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from training.config import DataConfig
    from training.data.manifest import Clip

PARTS = ("train", "validation", "test")
_LARGEST = 1.5
"""Largest size of a family, as a multiple of a part's share."""


def group_families(clips: Iterable[Clip]) -> list[list[Clip]]:
    """Group the clips that share a group or an uploader into families.

    They may share it directly or through other clips.
    """
    parent: dict[str, str] = {}

    def root(key: str) -> str:
        parent.setdefault(key, key)
        while parent[key] != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    clips = list(clips)
    for clip in clips:
        if clip.uploader:
            parent[root(f"group {clip.group}")] = root(f"uploader {clip.uploader}")
    members: defaultdict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        members[root(f"group {clip.group}")].append(clip)
    return list(members.values())


def select_usable(clips: Sequence[Clip], config: DataConfig) -> list[Clip]:
    """Select the clips with a label that no setting leaves out.

    A recording that a left-out corpus shares is left out with it.
    """
    left_out = set(config.leave_out)
    out = {
        clip.index for family in group_families(clips) if any(c.corpus in left_out for c in family) for clip in family
    }
    return [c for c in clips if c.label and c.name not in config.exclude_names and c.index not in out]


def split(clips: Sequence[Clip], config: DataConfig, seed: int) -> dict[str, list[Clip]]:
    """Divide the clips by family into parts.

    The same manifest, settings and seed give the same parts. Families are sorted by a hash of their groups. By the
    class of most of its clips, a family goes into the test part until that has its share of clips or families, then
    into the validation part, then into the training part. A family much larger than the share is trained on, so that
    one big recording does not become the whole test. With `config.spread`, every class of three families then has one
    in each part, one of two has none in the test part.
    """
    usable_ = select_usable(clips, config)
    ordered = sorted(group_families(usable_), key=lambda family: _hash_family(family, seed))
    total = _Count()
    for family in ordered:
        total.add(family)
    filled = {part: _Count() for part in PARTS}
    parts: dict[str, list[list[Clip]]] = {part: [] for part in PARTS}
    for family in ordered:
        part = _choose_part(family, config, total, filled)
        parts[part].append(family)
        filled[part].add(family)
    for label in sorted(total.families) if config.spread else ():
        _spread_class(label, parts, config)
    return {
        part: sorted((clip for family in members for clip in family), key=lambda clip: clip.index)
        for part, members in parts.items()
    }


def require_parts(parts: Mapping[str, Sequence[Clip]]) -> None:
    """Raise `DataError` when a part has no clips.

    All three are needed, to learn, to calibrate and to measure.
    """
    if empty := [part for part in PARTS if not parts[part]]:
        msg = f"no recordings are left for the {empty[0]} part"
        raise DataError(msg, remedy="give each class three recordings of different groups")


def _spread_class(label: str, parts: Mapping[str, list[list[Clip]]], config: DataConfig) -> None:
    """Move families of a class until each part has one, as far as they suffice.

    The smallest is moved. Families of `test_corpora` stay in the test part.
    """
    mine = {
        part: [f for f in parts[part] if _main_label(f) == label and not _is_only_tested(f, config)] for part in PARTS
    }
    wanted = PARTS[: sum(map(len, mine.values()))]
    for part in wanted:
        if any(_main_label(family) == label for family in parts[part]):
            continue
        giver = max(PARTS, key=lambda other: len(mine[other]) - (other in wanted))
        family = min(mine[giver], key=len)
        for place in (parts, mine):
            place[giver].remove(family)
            place[part].append(family)


def _is_only_tested(family: list[Clip], config: DataConfig) -> bool:
    return any(clip.corpus in config.test_corpora for clip in family)


class _Count:
    """Counts of clips and families by class."""

    def __init__(self) -> None:
        self.clips: Counter[str] = Counter()
        self.families: Counter[str] = Counter()

    def add(self, family: list[Clip]) -> None:
        self.clips.update(clip.label for clip in family)
        self.families[_main_label(family)] += 1


def _choose_part(family: list[Clip], config: DataConfig, total: _Count, filled: dict[str, _Count]) -> str:
    if _is_only_tested(family, config):
        return "test"
    label = _main_label(family)
    size = sum(clip.label == label for clip in family)
    for part, share in (("test", config.test_share), ("validation", config.validation_share)):
        clips, families_ = max(1.0, share * total.clips[label]), max(1.0, share * total.families[label])
        fits = size <= clips * _LARGEST
        if fits and filled[part].clips[label] < clips and filled[part].families[label] < families_:
            return part
    return "train"


def _main_label(family: list[Clip]) -> str:
    return Counter(clip.label for clip in family).most_common(1)[0][0]


def _hash_family(family: list[Clip], seed: int) -> bytes:
    name = min(clip.group for clip in family)
    return hashlib.sha256(f"{seed} {name}".encode()).digest()
