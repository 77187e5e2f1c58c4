"""Results and tables of the clap benchmark."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any

from tests.bench.clap_scenes import BACKGROUNDS, PEOPLE, STRANGERS, parse_number

if TYPE_CHECKING:
    from collections.abc import Iterable

NAMES = {2: "double", 3: "triple"}
CLAPS, SNR_DB = (2, 3, 1, 4, 6), (20.0, 10.0)
NEAR_S = 0.03


@dataclass
class Heard:
    """The result of a stream's pipeline for one recording."""

    what: dict[str, Any]
    """Of the manifest, or of the sequence."""
    seconds: float
    counted: list[str] = field(default_factory=list)
    """Names of the patterns that count."""
    suppressed: list[tuple[str, str, str]] = field(default_factory=list)
    """Name, reason and detail of the others."""
    patterns: list[str] = field(default_factory=list)
    """Those that count, in words."""
    onsets: list[tuple[float, float, str]] = field(default_factory=list)
    """Seconds, probability of being a clap, and why it does not count as one."""

    @property
    def claps(self) -> int:
        return sum(not why for _, _, why in self.onsets)

    def in_words(self) -> str:
        """Return its onsets as text."""
        return ", ".join(f"{at_s:.2f} s {probability:.2f} {why}".strip() for at_s, probability, why in self.onsets)


def outcome(heard: Heard, claps: int) -> str:
    """Return the outcome of a sequence in a word."""
    wanted = [NAMES[claps]] if claps in NAMES else []
    if heard.counted == wanted:
        return "right"
    if not heard.counted:
        return "missed"
    return "confused" if set(heard.counted) - set(wanted) else "more"


def format_share(results: Iterable[str], word: str = "right") -> str:
    results = list(results)
    return f"{100 * results.count(word) / len(results):6.1f} %" if results else f"{'-':>8}"


def print_takes(all_heard: list[Heard]) -> None:
    for parity, name in ((1, "odd, untouched"), (0, "even")):
        part = [heard for heard in all_heard if parse_number(heard.what) % 2 == parity]
        ends = [outcome(heard, 2) for heard in part]
        triples = sum("triple" in heard.counted for heard in part)
        print(
            f"{name:14} {len(part):4} takes  exactly one double {ends.count('right'):4} = {format_share(ends)}  "
            f"none {ends.count('missed')}  more {ends.count('more')}  other {ends.count('confused')}  with a triple {triples}"
        )
    for heard in all_heard:
        if (end := outcome(heard, 2)) != "right":
            print(f"    {heard.what['name']:15} {end:8} {heard.counted} {heard.suppressed} heard: {heard.in_words()}")


def print_sequences(all_heard: list[Heard]) -> None:
    for steady in (False, True):
        print(f"\n{'equal gaps, 10 % jitter' if steady else 'gaps each on their own'}")
        print(f"{'SNR':>6} {'claps':>5} {'n':>5} {'right':>8} {'confused':>8} {'missed':>8} {'more':>8}")
        for snr_db, claps in product(SNR_DB, CLAPS):
            ends = [outcome(h, claps) for h in _cell(all_heard, snr_db=snr_db, claps=claps, steady=steady)]
            figures = " ".join(format_share(ends, word) for word in ("right", "confused", "missed", "more"))
            print(f"{snr_db:3.0f} dB {claps:5} {len(ends):5} {figures}")
    print("\ndoubles and triples that are right, both kinds of gaps")
    print(f"{'':24} {'n':>5} " + " ".join(f"{snr:5.0f} dB {NAMES[n]:>6}" for snr, n in product(SNR_DB, NAMES)))
    groups: list[tuple[str, dict[str, Any]]] = [(person, {"person": person}) for person in PEOPLE]
    groups += [(place, {"place": place}) for place in BACKGROUNDS]
    groups += [(f"  {fine}", {"background": fine}) for place in BACKGROUNDS.values() for fine in place]
    for name, wanted in groups:
        cells = [_cell(all_heard, snr_db=snr, claps=n, **wanted) for snr, n in product(SNR_DB, NAMES)]
        figures = " ".join(f"{format_share([outcome(h, h.what['claps']) for h in cell]):>15}" for cell in cells)
        mark = " *" if name in STRANGERS else ""
        print(f"{name + mark:24} {sum(map(len, cells)):5} {figures}")
    print("* nobody trained on this person")
    for claps, end in product(CLAPS, ("missed", "confused", "more")):
        whys = Counter(_why(heard) for heard in _cell(all_heard, claps=claps) if outcome(heard, claps) == end)
        if whys:
            print(f"{claps} claps, {end}: " + "; ".join(f"{why} ({count})" for why, count in whys.most_common()))
    print_fates(all_heard)


def print_fates(all_heard: list[Heard]) -> None:
    """Print the fate of each clap, and the number of other onsets counted as claps."""
    print("\nwhat became of each clap")
    for snr_db, person in product(SNR_DB, PEOPLE):
        part = _cell(all_heard, snr_db=snr_db, person=person)
        fates = Counter(_fate(begin_s, heard) for heard in part for begin_s in heard.what["begins_s"])
        others = sum(heard.claps for heard in part) - fates["clap"]
        figures = "  ".join(f"{fate} {100 * count / fates.total():.1f} %" for fate, count in fates.most_common())
        print(f"{snr_db:3.0f} dB {person:18} {figures}  (others that count as claps: {others})")


def _fate(begin_s: float, heard: Heard) -> str:
    near = [why for at_s, _, why in heard.onsets if abs(at_s - begin_s) < NEAR_S]
    return "no onset" if not near else "clap" if "" in near else near[0]


def _cell(all_heard: Iterable[Heard], **wanted: Any) -> list[Heard]:
    return [heard for heard in all_heard if all(heard.what[key] == value for key, value in wanted.items())]


def _why(heard: Heard) -> str:
    """Return the wrong result of a sequence, without figures."""
    made = [*heard.counted, *(f"{name}: {reason}" for name, reason, _ in heard.suppressed)]
    return f"{' + '.join(made) or 'nothing'}, {heard.claps} claps heard"


def print_false(all_heard: list[Heard]) -> None:
    print(f"{'class':12} {'clips':>6} {'hours':>6} {'onsets':>7} {'claps':>6} {'false':>6} {'an hour':>8}  suppressed")
    names = sorted({heard.what["class"] for heard in all_heard})
    for name in (*names, "all"):
        part = [heard for heard in all_heard if name in ("all", heard.what["class"])]
        hours, false = sum(h.seconds for h in part) / 3600, sum(len(h.counted) for h in part)
        whys = Counter(reason for h in part for _, reason, _ in h.suppressed)
        print(
            f"{name:12} {len(part):6} {hours:6.2f} {sum(len(h.onsets) for h in part):7} {sum(h.claps for h in part):6} {false:6} "
            f"{false / hours if hours else 0:8.2f}  {', '.join(f'{why} {count}' for why, count in whys.most_common())}"
        )
    for heard in all_heard:
        for pattern in heard.patterns:
            what = heard.what
            print(
                f"    {what['file']} {what['class']} {what['fine']} {what['corpus']}: {pattern}; onsets {heard.in_words()}"
            )
