"""What every part of the configuration shares."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

_TOPIC_FORBIDDEN = re.compile(r"[+#\x00-\x1f\x7f-\x9f]")  # brokers hang up at a control character


class Section(BaseModel):
    """A part of the configuration: frozen, and strict about unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _plain_topic(value: str) -> str:
    if _TOPIC_FORBIDDEN.search(value) or value.startswith(("/", "$")) or value.endswith("/"):
        msg = "must be a topic without + # or a slash at either end"
        raise ValueError(msg)
    return value


Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]+$", max_length=64)]
Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Seconds = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Topic = Annotated[str, Field(min_length=1, max_length=1024), AfterValidator(_plain_topic)]
