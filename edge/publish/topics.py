"""Every topic, in one place. All are below ``{base}/{node}/``."""

from __future__ import annotations

import re
import unicodedata
import zlib

from edge.errors import ConfigError

_NOT_SLUG = re.compile(r"[^a-z0-9]+")
_BYTES_MAX = 65_535  # the protocol's own bound
_SHOWN_MAX = 80


def slug(text: str) -> str:
    """Return text as a name for topics: lower-case letters, digits and dashes.

    Raises `ConfigError` when nothing is left of it.
    """
    name = _letters(text)
    if not name:
        msg = f"{text!r} has no letter or digit for a name"
        raise ConfigError(msg, remedy="set node.id")
    return name


def label_name(label: str) -> str:
    """Return a label as a name for topics; one in another script has a number that is always the same."""
    return _letters(label) or f"label-{zlib.crc32(label.encode()):08x}"


def _letters(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return _NOT_SLUG.sub("-", plain).strip("-")[:64]


def flaw(topic: str) -> str:
    """Return why no message can be published on a topic, or nothing: some brokers hang up at one that cannot be."""
    if not topic:
        return "its topic is empty"
    if "+" in topic or "#" in topic:
        return "its topic holds a + or #"
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in topic):
        return "its topic holds a control character"
    if len(topic.encode()) > _BYTES_MAX:
        return f"its topic is longer than {_BYTES_MAX} bytes"
    return ""


class Topics:
    """The topics of one node."""

    def __init__(self, base: str, node: str) -> None:
        """Take the base topic of the site and the node's name."""
        self.base, self.node = base, node
        self.prefix = f"{base}/{node}/"
        """Of all of them."""

    @property
    def status(self) -> str:
        """The topic of the node's own state, which the last will sets to `offline`."""
        return f"{self.prefix}status"

    @property
    def info(self) -> str:
        """The topic that says what the node is."""
        return f"{self.prefix}info"

    @property
    def away_set(self) -> str:
        """The topic that switches the node's away mode."""
        return f"{self.prefix}away/set"

    @property
    def away_state(self) -> str:
        """The topic that says whether the node's away mode is on."""
        return f"{self.prefix}away/state"

    def source_status(self, source: str) -> str:
        """Return the topic of a source's state."""
        return f"{self.prefix}{source}/status"

    def event(self, source: str) -> str:
        """Return the topic of a source's CloudEvents."""
        return f"{self.prefix}{source}/event"

    def sound(self, source: str, label: str) -> str:
        """Return the topic that is ON while a label sounds; a label may be any text, its level of the topic may not."""
        return f"{self.prefix}{source}/sound/{label_name(label)}"

    def level(self, source: str) -> str:
        """Return the topic of a source's level."""
        return f"{self.prefix}{source}/level"

    def clap(self, source: str) -> str:
        """Return the topic of a source's clap patterns, and of the sounds that the away mode reports."""
        return f"{self.prefix}{source}/clap"

    def detect_set(self, source: str = "+") -> str:
        """Return the topic that switches a source; by default the filter for all of them."""
        return f"{self.prefix}{source}/detect/set"

    def detect_state(self, source: str) -> str:
        """Return the topic that says whether a source is listened to."""
        return f"{self.prefix}{source}/detect/state"


def shown(topic: str) -> str:
    """Return a topic of a stranger's for the log: one short line, and what is not printable escaped."""
    short = topic if len(topic) <= _SHOWN_MAX else f"{topic[:_SHOWN_MAX]}..."
    return short if short.isprintable() else repr(short)
