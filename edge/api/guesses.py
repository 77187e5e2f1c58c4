"""Limits on guessing: growing waiting times for addresses that send wrong tokens."""

from __future__ import annotations

import hashlib
import ipaddress
import logging
import math
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

FREE = 5
"""Wrong tokens without a waiting time, for typing errors."""
_LONGEST_S = 60.0
_FORGET_S = 900.0
_ADDRESSES = 1024
log = logging.getLogger("tocsin.api")


@dataclass
class _Guesser:
    last_s: float = 0.0
    until_s: float = 0.0
    wrong: OrderedDict[bytes, None] = field(default_factory=OrderedDict)
    count: int = 0


class GuessLimiter:
    """Counter of the wrong tokens of each address; a repeated one counts once."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin without a wrong token."""
        self._clock = clock
        self._guessers: OrderedDict[str, _Guesser] = OrderedDict()

    def wait_s(self, address: str) -> int:
        """Return the seconds for which tokens from `address` are refused unseen."""
        guesser = self._guessers.get(_network(address))
        return 0 if guesser is None else max(0, math.ceil(guesser.until_s - self._clock()))

    def count_wrong(self, address: str, token: str) -> None:
        """Count a wrong token."""
        now, network = self._clock(), _network(address)
        guesser = self._guessers.get(network)
        if guesser is None or now - guesser.last_s > _FORGET_S:
            guesser = self._guessers[network] = _Guesser()
        self._guessers.move_to_end(network)
        while len(self._guessers) > _ADDRESSES:
            self._guessers.popitem(last=False)
        guesser.last_s = now
        digest = hashlib.sha256(token.encode()).digest()
        if digest in guesser.wrong:
            return
        guesser.wrong[digest] = None
        if len(guesser.wrong) > FREE:
            guesser.wrong.popitem(last=False)
        guesser.count += 1
        if guesser.count < FREE:
            return
        if guesser.count == FREE:
            log.warning("%d wrong tokens from %s: it has to wait between more of them", FREE, address)
        guesser.until_s = now + min(_LONGEST_S, 2.0 ** (guesser.count - FREE))


def _network(address: str) -> str:
    """Return the IPv4 address or IPv6 network of one client."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.version == 4:  # noqa: PLR2004 - IPv4
        return str(parsed)
    return str(ipaddress.ip_network((parsed, 64), strict=False))
