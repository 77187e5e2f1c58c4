"""Settings of clap patterns."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from edge.settings.away import SOUND
from edge.settings.invalid import InvalidValueError
from edge.settings.section import ActionNames, PathText, Probability, Section, Slug

SHIPPED = {"double": 2, "triple": 3}
"""Number of claps of the built-in patterns."""

Gap = Annotated[float, Field(gt=0.0, le=10.0)]
"""A gap of a rhythm, in multiples of the first or of the tempo."""


class ClapPattern(Section):
    """A number of claps, or a rhythm: the gaps between claps."""

    enabled: bool = Field(True, description="false: ignore the pattern")
    claps: int | None = Field(None, ge=2, le=8, description="number of claps; gaps from min_gap_s to max_gap_s")
    rhythm: tuple[Gap, ...] | None = Field(
        None,
        min_length=1,
        max_length=7,
        description="gaps between claps, as multiples of the first gap or of tempo_s",
        examples=[[1, 0.5, 0.5]],
    )
    tolerance: float = Field(0.25, gt=0.0, le=0.5, description="allowed relative deviation of a gap")
    tempo_s: float | None = Field(
        None, gt=0.0, le=4.0, description="duration of 1 in rhythm, in seconds; not set: any tempo", examples=[0.4]
    )
    min_confidence: Probability = Field(0.5, description="minimum probability of the claps, averaged as log-odds")
    actions: ActionNames = Field((), description="names of the actions to start")

    @model_validator(mode="after")
    def _check_kind(self) -> ClapPattern:
        if self.claps is not None and self.rhythm is not None:
            msg = "has both claps and rhythm"
            raise InvalidValueError(msg, remedy="keep one of them")
        if self.tempo_s is not None and self.rhythm is None:
            msg = "has a tempo_s without a rhythm"
            raise InvalidValueError(msg, remedy="add the rhythm or remove the tempo_s")
        return self


class Claps(Section):
    """Clap patterns: claps that start actions."""

    enabled: bool = Field(True, description="detect clap patterns")
    sources: tuple[Slug, ...] = Field((), description="names of the sources that take part; empty: all")
    bundle: PathText = Field("claps", description="id of an installed clap network, or a path to a folder")
    sensitivity: Probability = Field(0.5, description="higher: detects fainter claps, with more false alarms")
    min_gap_s: float = Field(
        0.12, ge=0.08, le=0.5, description="shortest gap between claps, in seconds; a closer sound is an echo"
    )
    max_gap_s: float = Field(
        0.8, ge=0.2, le=3.0, description="longest gap in a pattern with a number of claps, in seconds"
    )
    refractory_s: float = Field(1.0, ge=0.0, le=60.0, description="seconds after a pattern when claps are ignored")
    expire_s: float = Field(5.0, gt=0.0, le=600.0, description="seconds after which an unsent pattern is dropped")
    patterns: dict[Slug, ClapPattern] = Field(
        default_factory=lambda: {name: ClapPattern(claps=claps) for name, claps in SHIPPED.items()},
        description="patterns by name; double and triple are built in",
    )

    @model_validator(mode="before")
    @classmethod
    def _add_shipped_patterns(cls, values: Any) -> Any:  # noqa: ANN401 - unchecked values of the file
        if not isinstance(values, dict) or not isinstance(values.get("patterns", {}), dict):
            return values
        given = dict(values.get("patterns", {}))
        for name, claps in SHIPPED.items():
            pattern = given.setdefault(name, {})
            if isinstance(pattern, dict) and "claps" not in pattern and "rhythm" not in pattern:
                given[name] = {**pattern, "claps": claps}
        return {**values, "patterns": given}

    @model_validator(mode="after")
    def _check_patterns(self) -> Claps:
        for name, pattern in self.patterns.items():
            if name == SOUND:
                msg = "the away mode uses this name"
                raise InvalidValueError(msg, key=f"patterns.{name}", remedy="choose another")
            if pattern.claps is None and pattern.rhythm is None:
                msg = "needs claps = 2 to 8, or a rhythm such as [1, 0.5, 0.5]"
                raise InvalidValueError(msg, key=f"patterns.{name}")
        if self.min_gap_s >= self.max_gap_s:
            msg = f"min_gap_s ({self.min_gap_s}) must be below max_gap_s ({self.max_gap_s})"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _check_gaps(self) -> Claps:
        counted: dict[int, str] = {}
        for name, pattern in self.patterns.items():
            if pattern.claps and pattern.enabled and (other := counted.setdefault(pattern.claps, name)) != name:
                msg = f"{other} is {pattern.claps} claps as well"
                raise InvalidValueError(msg, key=f"patterns.{name}", remedy="set enabled = false for one of them")
            shortest_s = min(pattern.rhythm or (), default=0.0) * (pattern.tempo_s or 0.0)
            if 0.0 < shortest_s < self.min_gap_s:
                msg = f"a gap of {shortest_s:.2g} s is below min_gap_s ({self.min_gap_s}), so it counts as an echo"
                raise InvalidValueError(msg, key=f"patterns.{name}")
        return self
