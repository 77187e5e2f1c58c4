"""`tocsin claps`: learning of a pattern from takes, and display of every onset.

Nothing is stored or sent.
"""

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
from edge.claps.learn import COUNTED, LearnedPattern, Takes, learn
from edge.cli.common import load_clap_classifier, load_model, print_json, print_text, read_settings, set_up_command_log
from edge.cli.terminal import escape_line
from edge.errors import UsageError
from edge.pipeline.build import build_pipeline
from edge.settings.claps import Claps
from edge.settings.profiles import make_claps_settings
from edge.settings.section import SLUG_RULE
from edge.settings.source_spec import parse_source
from edge.settings.text import format_toml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from edge.claps.listener import JudgedOnset
    from edge.inference.classifier import Classifier
    from edge.pipeline.pipeline import Pipeline
    from edge.settings.tree import Settings, Source
    from edge.types import AudioBlock, Clap, Pattern

_PAUSE_S = 1.5  # between two takes
_VERDICT_S = 0.5  # delay after which every onset is confirmed or rejected


@dataclass(frozen=True)
class StepResult:
    """Onsets and patterns found by one step of the pipeline."""

    now: int
    """Sample index that the pipeline has reached."""
    onsets: Sequence[JudgedOnset]
    patterns: Sequence[Pattern]


@dataclass(frozen=True)
class ClapStream:
    """A source and the results of its clap pipeline, until its end."""

    rate_hz: int
    steps: Iterator[StepResult]


def learn_pattern(name: str, config: Path | None, source: str | None, *, takes: int) -> int:
    """Ask for takes of a pattern and print its configuration.

    Prompts go to standard error.
    """
    set_up_command_log()
    _check_name(name)
    settings, chosen = _choose_source(config, source)
    stream = open_stream(settings, chosen)
    recorded = list(_record_takes(stream, settings.claps.min_gap_s, takes))
    learned = learn(recorded, stream.rate_hz, max_gap_s=settings.claps.max_gap_s)
    _print_prompt("Put this into the configuration, beside claps.enabled = true, and add the actions of the pattern:")
    print_text(format_pattern(name, learned).rstrip())
    return 0


def format_pattern(name: str, learned: LearnedPattern) -> str:
    """Return the lines for the configuration file.

    They disable a shipped pattern with the same number of claps.
    """
    values = {
        "claps": learned.claps,
        "rhythm": None if learned.rhythm is None else list(learned.rhythm),
        "tolerance": learned.tolerance,
        "tempo_s": learned.tempo_s,
    }
    text = format_toml({"claps": {"patterns": {name: values}}})
    same = COUNTED.get(learned.claps or 0)
    if same is None or same == name:
        return text
    return f"{text}\n[claps.patterns.{same}]\nenabled = false\n"


def watch_claps(config: Path | None, source: str | None, *, as_json: bool) -> int:
    """Print every onset and pattern until the source ends or Ctrl-C."""
    set_up_command_log()
    stream = open_stream(*_choose_source(config, source))
    show = print_json if as_json else _print_finding
    for step in stream.steps:
        for onset in step.onsets:
            show(_export_onset(onset, stream.rate_hz))
        for pattern in step.patterns:
            show(_export_pattern(pattern, stream.rate_hz))
    return 0


def _check_name(name: str) -> None:
    try:
        Claps.model_validate({"patterns": {name: {"rhythm": [1]}}})
    except ValidationError as exc:
        msg = f"a pattern's name has {SLUG_RULE}, and 'sound' is reserved"
        raise UsageError(msg, where=name, remedy="choose another") from exc


def _choose_source(config: Path | None, source: str | None) -> tuple[Settings, Source]:
    """Return the settings with claps enabled, and the first source that takes part."""
    settings = read_settings(config, [] if source is None else [source])
    named = settings.claps.sources if source is None else ()
    chosen = [s for s in settings.sources if s.enabled and (not named or s.name in named)]
    if not chosen:
        msg = "no enabled source listens for claps"
        raise UsageError(msg, remedy="name one, as in --source mic")
    return make_claps_settings(settings, chosen[0]), chosen[0]


def open_stream(settings: Settings, source: Source) -> ClapStream:
    """Load the networks and open a source.

    The first step raises the error of the source's `open`.
    """
    classifier, settings = load_model(settings)
    network = load_clap_classifier(settings)
    pipeline = build_pipeline(classifier.bundle, settings, source=source.name, clap_network=network)
    rate_hz = classifier.bundle.params.sample_rate_hz
    return ClapStream(rate_hz, _iterate_results(pipeline, classifier, _read_blocks(source, rate_hz)))


def _iterate_results(pipeline: Pipeline, classifier: Classifier, blocks: Iterable[AudioBlock]) -> Iterator[StepResult]:
    now = 0
    for block in blocks:
        pipeline.push(block, classifier)
        now = block.start + block.samples.size
        yield _collect_result(pipeline, now)
    pipeline.finish(classifier)
    yield _collect_result(pipeline, now)


def _collect_result(pipeline: Pipeline, now: int) -> StepResult:
    return StepResult(now, pipeline.claps.take_onsets() if pipeline.claps else (), pipeline.take_patterns())


def _read_blocks(source: Source, rate_hz: int) -> Iterator[AudioBlock]:
    """Yield the blocks of a source until it ends or is lost.

    A lost source is not opened again: the user is watching.
    """
    device, splicer = make_source(parse_source(source.spec), rate_hz), Splicer(rate_hz)
    conditioner = Conditioner(source.name)
    with contextlib.closing(device):
        device.open()
        _print_prompt(f"Listening to {device.device or parse_source(source.spec).masked}; Ctrl-C ends it.")
        while (chunk := device.read()) is not None:
            if chunk.samples.size:
                yield from splicer.push(conditioner.process(chunk), device.rate_hz)
        yield from splicer.finish()


def _record_takes(stream: ClapStream, min_gap_s: float, wanted: int) -> Iterator[Sequence[Clap]]:
    """Ask for takes and yield them, at most `wanted`."""
    rate_hz = stream.rate_hz
    takes = Takes(round(min_gap_s * rate_hz), round(_PAUSE_S * rate_hz))
    number = 0
    for step in stream.steps:
        if not number:  # prompt only once the source is open
            number = 1
            _print_prompt(f"Take 1 of {wanted}: clap your pattern …")
        ended = [takes.add_clap(onset.clap) for onset in step.onsets if onset.clap is not None]
        for take in filter(None, [*ended, takes.advance(step.now - round(_VERDICT_S * rate_hz))]):
            _print_prompt(_describe_take(take, rate_hz))
            yield take
            if number == wanted:
                return
            number += 1
            _print_prompt(f"Take {number} of {wanted}: once more …")
    if take := takes.finish():
        _print_prompt(_describe_take(take, rate_hz))
        yield take


def _describe_take(take: Sequence[Clap], rate_hz: int) -> str:
    gaps = ", ".join(f"{(b.at - a.at) * 1000 / rate_hz:.0f}" for a, b in itertools.pairwise(take))
    return f"  {len(take)} claps, {gaps} ms apart"


def _export_onset(onset: JudgedOnset, rate_hz: int) -> dict[str, Any]:
    return {
        "onset_s": round(onset.at / rate_hz, 3),
        "level_db": round(onset.level_db, 1),
        "probability": round(onset.probability, 3),
        "clap": onset.clap is not None,
        "why": onset.reason,
    }


def _export_pattern(pattern: Pattern, rate_hz: int) -> dict[str, Any]:
    return {
        "pattern": pattern.name,
        "decided_s": round(pattern.decided / rate_hz, 3),
        "onsets_s": [round(at / rate_hz, 3) for at in pattern.onsets],
        "intervals_ms": pattern.compute_intervals_ms(rate_hz),
        "confidence": round(pattern.confidence, 3),
        "reason": pattern.reason,
        "detail": pattern.detail,
    }


def _print_finding(found: dict[str, Any]) -> None:
    if "pattern" not in found:
        verdict = "clap" if found["clap"] else f"not counted: {found['why']}"
        print_text(f"{found['onset_s']:9.3f} s  {found['level_db']:6.1f} dB  {found['probability']:.2f}  {verdict}")
        return
    why = ", ".join(filter(None, (found["reason"], found["detail"])))
    gaps = " ".join(map(str, found["intervals_ms"]))
    outcome = f"not counted: {why}" if why else f"confidence {found['confidence']:.2f}"
    print_text(f"{found['decided_s']:9.3f} s  {found['pattern'].upper()}  gaps {gaps} ms  {outcome}")


def _print_prompt(text: str) -> None:
    print(escape_line(text), file=sys.stderr, flush=True)  # noqa: T201 - the command's prompts
