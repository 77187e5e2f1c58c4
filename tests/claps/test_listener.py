"""Patterns from sound: confirmation, guards, and independence of the chunking."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.claps.confirm import check_physics, confirm
from edge.claps.crop import BEFORE_SAMPLES, CLAP_FRONT_END, crop_features
from edge.claps.listener import ClapListener
from edge.claps.onsets import Onset, OnsetDetector
from edge.settings.claps import Claps
from edge.types import Scores

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from edge.types import Pattern

RATE_HZ = 16_000
STEP = 2_000  # between two windows of the event model
LABELS = ("applause", "background", "clap", "gunshot", "music")


class FakeNetwork:
    """A clap network that returns the given probabilities, then 0.95."""

    def __init__(self, *probabilities: float) -> None:
        self._rest = list(probabilities)

    def compute_probabilities(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        assert features.shape == (1, CLAP_FRONT_END.window_frames, CLAP_FRONT_END.n_mels)
        return np.array([[self._rest.pop(0) if self._rest else 0.95]], np.float32)


def clap(peak: float = 0.5) -> NDArray[np.float32]:
    time_s = np.arange(1_600) / RATE_HZ
    return np.asarray(peak * np.random.default_rng(4).uniform(-1, 1, 1_600) * np.exp(-time_s / 0.01), np.float32)


def scene(*begins_s: float, length_s: float = 4.0) -> NDArray[np.float32]:
    sound = np.random.default_rng(5).normal(0, 1e-4, round(length_s * RATE_HZ)).astype(np.float32)
    for begin_s in begins_s:
        begin = round(begin_s * RATE_HZ)
        sound[begin : begin + 1_600] += clap()
    return sound


def scores(end: int, values: Mapping[str, float]) -> Scores:
    row = np.array([values.get(label, 0.0) for label in LABELS], np.float32)
    return Scores(row, end, min(end, 24_000), gap=False)


def make_listener(network: FakeNetwork | None = None, **options: object) -> ClapListener:
    return ClapListener(network or FakeNetwork(), 0.3, LABELS, Claps.model_validate(options))


def run(
    listener: ClapListener,
    sound: NDArray[np.float32],
    sizes: Sequence[int] = (800,),
    values: Mapping[str, float] | None = None,
) -> list[Pattern]:
    """Feed sound in blocks, each followed by the scores of the windows that end in it."""
    patterns, start, scored, n = [], 0, STEP, 0
    while start < sound.size:
        block = sound[start : start + sizes[n % len(sizes)]]
        listener.push(block)
        start, n = start + block.size, n + 1
        while scored <= start:
            listener.decide(scores(scored, {"clap": 0.9} if values is None else values))
            scored += STEP
        patterns += listener.take()
    return patterns


@pytest.mark.parametrize(("begins_s", "name"), [((1.0, 1.3), "double"), ((1.0, 1.3, 1.65), "triple")])
def test_claps_make_a_pattern(begins_s: Sequence[float], name: str) -> None:
    """Its onsets are those of the claps, and it is decided once no longer pattern can follow."""
    (pattern,) = run(make_listener(), scene(*begins_s))
    assert (pattern.name, pattern.reason) == (name, "")
    assert [at / RATE_HZ for at in pattern.onsets] == pytest.approx(begins_s, abs=0.004)
    assert (pattern.decided - pattern.onsets[-1]) / RATE_HZ == pytest.approx(
        0.8 if name == "double" else 0.525, abs=0.01
    )


def test_one_clap_is_not_a_pattern() -> None:
    """Nor is it a suppressed one."""
    assert run(make_listener(), scene(1.0)) == []


def test_a_pattern_is_returned_soon_after_its_decision() -> None:
    """It needs less than two blocks of a microphone after the deadline."""
    listener, sound = make_listener(), scene(1.0, 1.3)
    (pattern,) = run(listener, sound)
    upto = pattern.decided + listener._detector.delay_samples + 1
    (same,) = run(make_listener(), sound[:upto], (1,))
    assert same == pattern
    assert upto - pattern.decided < 1_000


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(50, 70_000), min_size=1, max_size=6))
def test_any_chunking_decides_alike(sizes: list[int]) -> None:
    """The patterns, suppressed ones and their order do not depend on the blocks."""
    sound = scene(0.5, 0.8, 2.4, 2.7, 3.0, 3.3, 5.0, 5.4, length_s=7.0)
    assert run(make_listener(), sound, sizes) == run(make_listener(), sound)


def test_the_end_of_the_stream_decides_waiting_claps() -> None:
    """The end counts as silence."""
    listener = make_listener()
    assert run(listener, scene(1.0, 1.3, length_s=1.5)) == []
    listener.finish()
    assert [pattern.name for pattern in listener.take()] == ["double"]


def test_a_gap_resets() -> None:
    """A clap before lost samples and one after them are not a pattern."""
    listener = make_listener()
    assert run(listener, scene(1.0, length_s=1.2)) == []
    listener.reset(3 * RATE_HZ)
    assert run(listener, scene(0.1, length_s=2.0)) == []
    listener.finish()
    assert listener.take() == []


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"clap": 0.9, "music": 0.9}, ""),
        ({"clap": 0.9, "applause": 0.8}, "applause"),
        ({"clap": 0.05, "gunshot": 0.9}, "gunshot"),
        ({"clap": 0.05, "background": 0.9}, ""),
        ({"clap": 0.01}, "not sure"),
    ],
)
def test_scores_of_the_event_model_guard_patterns(values: Mapping[str, float], reason: str) -> None:
    """Applause is never a pattern; another label is the reason if the event model scores no clap."""
    (pattern,) = run(make_listener(FakeNetwork(0.7, 0.7)), scene(1.0, 1.3), values=values)
    assert (pattern.name, pattern.reason) == ("double", reason)


def test_claps_among_other_knocks_are_suppressed() -> None:
    """Four other onsets, about as loud, make it restless."""
    network = FakeNetwork(0.0, 0.95, 0.0, 0.95, 0.0, 0.0)
    (pattern,) = run(make_listener(network), scene(0.7, 1.0, 1.2, 1.4, 1.6, 1.9))
    assert (pattern.name, pattern.reason) == ("double", "restless")


def test_a_pattern_after_single_claps_is_suppressed() -> None:
    """Two single claps just before a double suppress it; a pattern before it does not."""
    (pattern,) = run(make_listener(), scene(0.5, 1.6, 2.7, 3.0, length_s=5.0))
    assert (pattern.name, pattern.reason) == ("double", "restless")
    patterns = run(make_listener(refractory_s=0), scene(0.5, 0.8, 1.9, 2.2, 3.3, 3.6, length_s=6.0))
    assert [(pattern.name, pattern.reason) for pattern in patterns] == [("double", "")] * 3


def test_a_gap_resets_the_guards() -> None:
    """Neither scores nor single claps before it suppress a pattern."""
    listener = make_listener(FakeNetwork())
    assert run(listener, scene(0.5, 1.6, length_s=2.6), values={"clap": 0.9, "applause": 0.9}) == []
    listener.reset(4 * RATE_HZ)
    sound = scene(0.3, 0.6, length_s=3.0)
    listener.push(sound)
    for end in range(4 * RATE_HZ + STEP, 4 * RATE_HZ + sound.size, STEP):
        listener.decide(scores(end, {"clap": 0.9}))
    assert [(pattern.name, pattern.reason) for pattern in listener.take()] == [("double", "")]


def test_a_decision_waits_for_its_scores() -> None:
    """Late scores count as well."""
    listener = make_listener()
    listener.push(scene(1.0, 1.3))
    listener.decide(scores(28_000, {"clap": 0.9}))
    listener.decide(scores(30_000, {"clap": 0.9, "applause": 0.9}))
    assert listener.take() == []
    listener.decide(scores(32_000, {"clap": 0.9}))
    assert [pattern.reason for pattern in listener.take()] == ["applause"]


@pytest.mark.parametrize(("chance", "reason"), [(0.01, ""), (0.2, "not sure")])
def test_an_uncertain_number_of_claps_suppresses_a_pattern(chance: float, reason: str) -> None:
    """One more onset that may be a clap could make it another pattern."""
    (pattern,) = run(make_listener(FakeNetwork(0.95, 0.95, chance)), scene(1.0, 1.3, 1.6))
    assert (pattern.name, pattern.reason) == ("double", reason)


def test_a_model_without_clap_labels_suppresses_nothing() -> None:
    """Another bundle has other labels."""
    listener = ClapListener(FakeNetwork(), 0.3, ("drill", "silence"), Claps())
    listener.push(scene(1.0, 1.3))
    listener.decide(Scores(np.array([0.1, 0.2], np.float32), 60_000, 24_000, gap=False))
    assert [pattern.reason for pattern in listener.take()] == [""]


def test_onsets_are_returned_with_their_confirmation() -> None:
    """`tocsin claps test` needs level, probability, and the reason that an onset does not count."""
    listener = make_listener(FakeNetwork(0.95, 0.1))
    run(listener, scene(1.0, 1.5))
    first, second = listener.take_onsets()
    assert (first.clap is not None, first.reason) == (True, "")
    assert (second.clap, second.reason) == (None, "not a clap")
    assert second.probability == pytest.approx(0.1)
    assert listener.take_onsets() == []


def crop_at(sound: NDArray[np.float32], begin_s: float) -> tuple[Onset, NDArray[np.float32]]:
    onset = min(OnsetDetector().push(sound), key=lambda o: abs(o.at - begin_s * RATE_HZ))
    begin = onset.at - BEFORE_SAMPLES
    return onset, sound[begin : begin + CLAP_FRONT_END.window_samples]


def test_a_crop_is_independent_of_the_level() -> None:
    """Claps at 2 cm and at 6 m give equal features."""
    near, far = (crop_at(scene(1.0) * gain, 1.0) for gain in (1.0, 0.01))
    np.testing.assert_allclose(
        crop_features(near[1], near[0].level_db), crop_features(far[1], far[0].level_db), atol=0.02
    )


def test_physics_rules_out_long_and_dull_sounds() -> None:
    """A tone and a thump never reach the network; a clap does."""
    time_s = np.arange(2 * RATE_HZ) / RATE_HZ
    tone = np.where(time_s < 1.0, 0.0, 0.3 * np.sin(2 * np.pi * 1_000 * time_s)).astype(np.float32)
    thump = np.where(time_s < 1.0, 0.0, np.exp(-(time_s - 1.0) / 0.02) * np.sin(2 * np.pi * 90 * (time_s - 1.0)))
    for sound, why in ((tone, "goes on"), (thump.astype(np.float32), "dull"), (scene(1.0), "")):
        onset, crop = crop_at(sound + scene(length_s=2.0)[: sound.size] if sound.size < 60_000 else sound, 1.0)
        assert check_physics(crop_features(crop, onset.level_db)) == why
        assert (confirm(onset, crop, FakeNetwork()).probability > 0) == (why == "")
