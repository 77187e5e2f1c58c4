"""The settings of clap patterns."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from edge.settings.away import SOUND
from edge.settings.invalid import InvalidValueError
from edge.settings.section import ActionNames, PathText, Probability, Section, Slug

SHIPPED = {"double": 2, "triple": 3}
"""The claps of the patterns that are always there."""

Gap = Annotated[float, Field(gt=0.0, le=10.0)]
"""A gap of a rhythm, in multiples of the first or of the tempo."""


class ClapPattern(Section):
    """A number of claps, or a rhythm of gaps between them."""

    enabled: bool = Field(True, description="false forgets the pattern")
    claps: int | None = Field(None, ge=2, le=8, description="claps, with gaps of any length between the limits")
    rhythm: tuple[Gap, ...] | None = Field(
        None,
        min_length=1,
        max_length=7,
        description="gaps between the claps, in multiples of the first or of tempo_s",
        examples=[[1, 0.5, 0.5]],
    )
    tolerance: float = Field(0.25, gt=0.0, le=0.5, description="share by which a gap of the rhythm may differ")
    tempo_s: float | None = Field(
        None, gt=0.0, le=4.0, description="seconds of a rhythm's 1; any tempo when not set", examples=[0.4]
    )
    min_confidence: Probability = Field(0.5, description="how sure its claps must be on average, in log-odds")
    actions: ActionNames = Field((), description="names of the actions to start")

    @model_validator(mode="after")
    def _one_kind(self) -> ClapPattern:
        if self.claps is not None and self.rhythm is not None:
            msg = "has both claps and rhythm"
            raise InvalidValueError(msg, remedy="keep one of them")
        if self.tempo_s is not None and self.rhythm is None:
            msg = "has a tempo_s without a rhythm"
            raise InvalidValueError(msg, remedy="add the rhythm or remove the tempo_s")
        return self


class Claps(Section):
    """Clap patterns: claps that switch things."""

    enabled: bool = Field(True, description="listen for clap patterns")
    sources: tuple[Slug, ...] = Field((), description="names of the sources that take part; all when empty")
    bundle: PathText = Field("claps", description="id of an installed clap network, or a path to a folder")
    sensitivity: Probability = Field(0.5, description="higher hears fainter claps, and more that are none")
    min_gap_s: float = Field(0.12, ge=0.08, le=0.5, description="claps closer than this are one and its echo")
    max_gap_s: float = Field(0.8, ge=0.2, le=3.0, description="longest gap of a pattern that only counts claps")
    refractory_s: float = Field(
        1.0, ge=0.0, le=60.0, description="seconds after a pattern in which claps are not counted"
    )
    expire_s: float = Field(5.0, gt=0.0, le=600.0, description="seconds after which a pattern is too old to be sent")
    patterns: dict[Slug, ClapPattern] = Field(
        default_factory=lambda: {name: ClapPattern(claps=claps) for name, claps in SHIPPED.items()},
        description="by name; double and triple are always there unless they are not enabled",
    )

    @model_validator(mode="before")
    @classmethod
    def _known_patterns(cls, values: Any) -> Any:  # noqa: ANN401 - as it comes from the file
        if not isinstance(values, dict) or not isinstance(values.get("patterns", {}), dict):
            return values
        given = dict(values.get("patterns", {}))
        for name, claps in SHIPPED.items():
            pattern = given.setdefault(name, {})
            if isinstance(pattern, dict) and "claps" not in pattern and "rhythm" not in pattern:
                given[name] = {**pattern, "claps": claps}
        return {**values, "patterns": given}

    @model_validator(mode="after")
    def _whole(self) -> Claps:
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
    def _possible(self) -> Claps:
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
