"""`tocsin claps`: learn a pattern from takes of it, and see what becomes of every onset. Nothing is kept or sent."""

from __future__ import annotations

import contextlib
import itertools
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from edge.audio.conditioner import Conditioner
from edge.audio.factory import make_source
from edge.audio.splice import Splicer
from edge.claps.learn import COUNTED, Learned, Takes
from edge.claps.learn import learn as learn_from
from edge.cli.common import clap_network_of, log_plainly, model_of, say, say_json, settings_of
from edge.cli.terminal import one_line
from edge.errors import UsageError
from edge.pipeline.build import build_pipeline
from edge.settings.claps import Claps
from edge.settings.profiles import make_claps_settings
from edge.settings.section import SLUG_RULE
from edge.settings.source_spec import parse_source
from edge.settings.text import to_toml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from edge.claps.listener import HeardOnset
    from edge.inference.classifier import Classifier
    from edge.pipeline.pipeline import Pipeline
    from edge.settings.tree import Settings, Source
    from edge.types import AudioBlock, Clap, Pattern

_PAUSE_S = 1.5  # between two takes
_VERDICT_S = 0.5  # after which it is known of every onset whether it is a clap


@dataclass(frozen=True)
class Step:
    """What a stretch of sound brought."""

    now: int
    """Sample index up to which was heard."""
    onsets: Sequence[HeardOnset]
    patterns: Sequence[Pattern]


@dataclass(frozen=True)
class Hearing:
    """A source that is listened to for claps, until its end."""

    rate_hz: int
    steps: Iterator[Step]


def learn(name: str, config: Path | None, source: str | None, *, takes: int) -> int:
    """Ask for takes of a pattern and print its configuration; what is said to the user goes to standard error."""
    log_plainly()
    _check_name(name)
    settings, chosen = _chosen(config, source)
    hearing = open_hearing(settings, chosen)
    heard = list(_record(hearing, settings.claps.min_gap_s, takes))
    learned = learn_from(heard, hearing.rate_hz, max_gap_s=settings.claps.max_gap_s)
    _tell("Put this into the configuration, beside claps.enabled = true, and add the actions of the pattern:")
    say(pattern_toml(name, learned).rstrip())
    return 0


def pattern_toml(name: str, learned: Learned) -> str:
    """Return the lines for the configuration file; a shipped pattern of as many claps gives way to this one."""
    values = {
        "claps": learned.claps,
        "rhythm": None if learned.rhythm is None else list(learned.rhythm),
        "tolerance": learned.tolerance,
        "tempo_s": learned.tempo_s,
    }
    text = to_toml({"claps": {"patterns": {name: values}}})
    same = COUNTED.get(learned.claps or 0)
    if same is None or same == name:
        return text
    return f"{text}\n[claps.patterns.{same}]\nenabled = false\n"


def test(config: Path | None, source: str | None, *, as_json: bool) -> int:
    """Show every onset and every pattern, as they come, until the source ends or Ctrl-C."""
    log_plainly()
    hearing = open_hearing(*_chosen(config, source))
    show = say_json if as_json else _show
    for step in hearing.steps:
        for onset in step.onsets:
            show(_onset_json(onset, hearing.rate_hz))
        for pattern in step.patterns:
            show(_pattern_json(pattern, hearing.rate_hz))
    return 0


def _check_name(name: str) -> None:
    try:
        Claps.model_validate({"patterns": {name: {"rhythm": [1]}}})
    except ValidationError as exc:
        msg = f"a pattern's name has {SLUG_RULE}, and 'sound' is reserved"
        raise UsageError(msg, where=name, remedy="choose another") from exc


def _chosen(config: Path | None, source: str | None) -> tuple[Settings, Source]:
    """Return the settings, with claps enabled, and the first source that takes part."""
    settings = settings_of(config, [] if source is None else [source])
    named = settings.claps.sources if source is None else ()
    chosen = [s for s in settings.sources if s.enabled and (not named or s.name in named)]
    if not chosen:
        msg = "no enabled source listens for claps"
        raise UsageError(msg, remedy="name one, as in --source mic")
    return make_claps_settings(settings, chosen[0]), chosen[0]


def open_hearing(settings: Settings, source: Source) -> Hearing:
    """Load the networks and listen; a source that cannot be opened raises what its `open` does."""
    classifier, settings = model_of(settings)
    network = clap_network_of(settings)
    pipeline = build_pipeline(classifier.bundle, settings, source=source.name, clap_network=network)
    rate_hz = classifier.bundle.params.sample_rate_hz
    return Hearing(rate_hz, _steps(pipeline, classifier, _blocks(source, rate_hz)))


def _steps(pipeline: Pipeline, classifier: Classifier, blocks: Iterable[AudioBlock]) -> Iterator[Step]:
    now = 0
    for block in blocks:
        pipeline.push(block, classifier)
        now = block.start + block.samples.size
        yield _taken(pipeline, now)
    pipeline.finish(classifier)
    yield _taken(pipeline, now)


def _taken(pipeline: Pipeline, now: int) -> Step:
    return Step(now, pipeline.claps.take_onsets() if pipeline.claps else (), pipeline.take_patterns())


def _blocks(source: Source, rate_hz: int) -> Iterator[AudioBlock]:
    """Yield the sound of a source until it ends or is lost: whoever watches would not wait for it to come back."""
    device, splicer = make_source(parse_source(source.spec), rate_hz), Splicer(rate_hz)
    conditioner = Conditioner(source.name)
    with contextlib.closing(device):
        device.open()
        _tell(f"Listening to {device.device or parse_source(source.spec).masked}; Ctrl-C ends it.")
        while (chunk := device.read()) is not None:
            if chunk.samples.size:
                yield from splicer.push(conditioner.process(chunk), device.rate_hz)
        yield from splicer.finish()


def _record(hearing: Hearing, min_gap_s: float, wanted: int) -> Iterator[Sequence[Clap]]:
    """Yield up to `wanted` takes, and ask for each."""
    rate_hz = hearing.rate_hz
    takes = Takes(round(min_gap_s * rate_hz), round(_PAUSE_S * rate_hz))
    number = 0
    for step in hearing.steps:
        if not number:  # nobody is asked before the source is open
            number = 1
            _tell(f"Take 1 of {wanted}: clap your pattern …")
        ended = [takes.clap(onset.clap) for onset in step.onsets if onset.clap is not None]
        for take in filter(None, [*ended, takes.advance(step.now - round(_VERDICT_S * rate_hz))]):
            _tell(_take_line(take, rate_hz))
            yield take
            if number == wanted:
                return
            number += 1
            _tell(f"Take {number} of {wanted}: once more …")
    if take := takes.finish():
        _tell(_take_line(take, rate_hz))
        yield take


def _take_line(take: Sequence[Clap], rate_hz: int) -> str:
    gaps = ", ".join(f"{(b.at - a.at) * 1000 / rate_hz:.0f}" for a, b in itertools.pairwise(take))
    return f"  {len(take)} claps, {gaps} ms apart"


def _onset_json(onset: HeardOnset, rate_hz: int) -> dict[str, Any]:
    return {
        "onset_s": round(onset.at / rate_hz, 3),
        "level_db": round(onset.level_db, 1),
        "probability": round(onset.probability, 3),
        "clap": onset.clap is not None,
        "why": onset.why,
    }


def _pattern_json(pattern: Pattern, rate_hz: int) -> dict[str, Any]:
    return {
        "pattern": pattern.name,
        "decided_s": round(pattern.decided / rate_hz, 3),
        "onsets_s": [round(at / rate_hz, 3) for at in pattern.onsets],
        "intervals_ms": pattern.intervals_ms(rate_hz),
        "confidence": round(pattern.confidence, 3),
        "reason": pattern.reason,
        "detail": pattern.detail,
    }


def _show(found: dict[str, Any]) -> None:
    if "pattern" not in found:
        verdict = "clap" if found["clap"] else f"not counted: {found['why']}"
        say(f"{found['onset_s']:9.3f} s  {found['level_db']:6.1f} dB  {found['probability']:.2f}  {verdict}")
        return
    why = ", ".join(filter(None, (found["reason"], found["detail"])))
    gaps = " ".join(map(str, found["intervals_ms"]))
    outcome = f"not counted: {why}" if why else f"confidence {found['confidence']:.2f}"
    say(f"{found['decided_s']:9.3f} s  {found['pattern'].upper()}  gaps {gaps} ms  {outcome}")


def _tell(text: str) -> None:
    print(one_line(text), file=sys.stderr, flush=True)  # noqa: T201 - what is said to whoever claps
