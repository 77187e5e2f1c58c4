"""A connection to the broker, as those see it who have something to send."""

from __future__ import annotations

from typing import Protocol


class UnsendableError(ValueError):
    """A message that no broker would take."""


class TooLongError(UnsendableError):
    """A message that this broker does not take, by its own word; another one may."""


class Transport(Protocol):
    """A connection to the broker."""

    @property
    def congested(self) -> bool:
        """Whether it cannot carry more at the moment."""

    def send(self, topic: str, payload: bytes, *, qos: int, retain: bool) -> int | None:
        """Send a message and return its number; None where it was not taken. Raises `UnsendableError`."""
