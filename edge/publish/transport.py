"""Interface of a connection for its senders."""

from __future__ import annotations

from typing import Protocol


class UnsendableError(ValueError):
    """A message that no broker would accept."""


class TooLongError(UnsendableError):
    """A message longer than this broker accepts; another broker may accept it."""


class Transport(Protocol):
    """A connection that sends messages to the broker."""

    @property
    def congested(self) -> bool:
        """Whether earlier messages still wait to be written."""

    def send(self, topic: str, payload: bytes, *, qos: int, retain: bool) -> int | None:
        """Send a message; return its number, None if it was not accepted. Raises `UnsendableError`."""
