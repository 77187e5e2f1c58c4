"""Topics of a node, all below ``{base}/{node}/``."""

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

    Raises `ConfigError` if the name would be empty.
    """
    name = _to_ascii(text)
    if not name:
        msg = f"{text!r} has no letter or digit for a name"
        raise ConfigError(msg, remedy="set node.id")
    return name


def label_name(label: str) -> str:
    """Return a label as a name for topics; one without Latin letters becomes a checksum."""
    return _to_ascii(label) or f"label-{zlib.crc32(label.encode()):08x}"


def _to_ascii(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return _NOT_SLUG.sub("-", plain).strip("-")[:64]


def find_flaw(topic: str) -> str:
    """Return why a topic is invalid, or nothing.

    Some brokers end the connection at an invalid topic.
    """
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
        """The prefix of all of them."""

    @property
    def status(self) -> str:
        """The topic of the node's status, which the last will sets to `offline`."""
        return f"{self.prefix}status"

    @property
    def info(self) -> str:
        """The topic of the node's description."""
        return f"{self.prefix}info"

    @property
    def away_set(self) -> str:
        """The command topic of the away mode."""
        return f"{self.prefix}away/set"

    @property
    def away_state(self) -> str:
        """The state topic of the away mode."""
        return f"{self.prefix}away/state"

    def source_status(self, source: str) -> str:
        """Return the topic of a source's status."""
        return f"{self.prefix}{source}/status"

    def event(self, source: str) -> str:
        """Return the topic of a source's CloudEvents."""
        return f"{self.prefix}{source}/event"

    def sound(self, source: str, label: str) -> str:
        """Return the topic that is ON while a label, which may be any text, sounds."""
        return f"{self.prefix}{source}/sound/{label_name(label)}"

    def level(self, source: str) -> str:
        """Return the topic of a source's level."""
        return f"{self.prefix}{source}/level"

    def clap(self, source: str) -> str:
        """Return the topic of a source's clap patterns and away sounds."""
        return f"{self.prefix}{source}/clap"

    def detect_set(self, source: str = "+") -> str:
        """Return the command topic of a source's detection; by default the filter for all sources."""
        return f"{self.prefix}{source}/detect/set"

    def detect_state(self, source: str) -> str:
        """Return the state topic of a source's detection."""
        return f"{self.prefix}{source}/detect/state"


def escape(topic: str) -> str:
    """Return a topic for the log: short, with unprintable characters escaped."""
    short = topic if len(topic) <= _SHOWN_MAX else f"{topic[:_SHOWN_MAX]}..."
    return short if short.isprintable() else repr(short)
