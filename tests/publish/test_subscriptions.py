"""Untrusted messages on subscribed topics."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from edge.errors import UsageError
from edge.publish import loglimit, oversize, ratelimit
from edge.publish.loglimit import LimitedLog
from edge.publish.ratelimit import RateLimiter
from edge.publish.subscriptions import Subscriptions
from edge.publish.topics import Topics

if TYPE_CHECKING:
    from collections.abc import Callable

MANY = 10_000


class SubscriptionsBench:
    """Subscriptions of the node `n` with a manual clock, and the commands received."""

    def __init__(self, obey: Callable[[str, str], None] | None = None) -> None:
        self.now_s = 0.0
        self.commands: list[tuple[str, str]] = []
        self.subscriptions = Subscriptions(Topics("t", "n"), obey or self._obey, lambda: self.now_s)

    def _obey(self, suffix: str, payload: str) -> None:
        self.commands.append((suffix, payload))

    def receive(self, topic: str, payload: bytes = b"ON", *, retained: bool = False) -> None:
        self.subscriptions.handle_message(topic, payload, retained=retained)


def refuse(suffix: str, payload: str) -> None:
    msg = "say ON or OFF"
    raise UsageError(msg)


def test_a_subscribed_command_is_obeyed() -> None:
    """The callback gets the part of the topic after the node."""
    bench = SubscriptionsBench()
    bench.receive("t/n/away/set")
    bench.receive("t/n/mic/detect/set", b" OFF\n")
    assert bench.commands == [("away/set", "ON"), ("mic/detect/set", "OFF")]


@pytest.mark.parametrize(
    "topic",
    [
        "away/set", "mic/detect/set", "t/n2/away/set", "t/n/away/set/", "x/t/n/away/set", "t/n/a/b/detect/set",
        "t/n//detect/set", "t/n/detect/set", "t/n/", "", "detect/set", "t/n/mic/away/set",
    ],
)  # fmt: skip
def test_a_topic_without_a_subscription_is_ignored(topic: str, caplog: pytest.LogCaptureFixture) -> None:
    """A topic without a subscription is ignored, even if it looks like a command."""
    bench = SubscriptionsBench()
    bench.receive(topic)
    assert bench.commands == []
    assert "which is not subscribed to" in caplog.text


@pytest.mark.parametrize("retained", [True, False])
@pytest.mark.parametrize(
    "name", ["a\n2026-01-01T00:00:00 ERROR tocsin.service: forged", "\x1b[2J\x1b[31m", "\u202eevil", "x" * 60_000]
)
def test_no_topic_forges_a_line_or_fills_the_log(name: str, retained: bool, caplog: pytest.LogCaptureFixture) -> None:
    """Topic and payload are escaped and shortened."""
    bench = SubscriptionsBench(refuse)
    bench.receive(f"t/n/{name}/detect/set", name.encode() * 9, retained=retained)
    bench.receive(name)
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2
    assert all(line.isprintable() and len(line) < 300 for line in lines)


def test_a_flood_of_nonsense_is_a_handful_of_lines_and_a_count(caplog: pytest.LogCaptureFixture) -> None:
    """The limit applies to each kind of line, and ends after the period."""
    bench = SubscriptionsBench(refuse)
    for number in range(MANY):
        bench.now_s = number / MANY
        bench.receive(f"t/n/{number}/detect/set", b"nonsense")
        bench.receive("t/n/mic/detect/set", b"ON", retained=True)
        bench.receive("elsewhere")
    assert len(caplog.records) == 3 * loglimit.LINES
    caplog.clear()
    bench.now_s = loglimit.PERIOD_S + 1
    bench.receive("elsewhere")
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0] == f"{MANY - loglimit.LINES} more lines like the next were left out"
    assert len(lines) == 2


def test_a_log_within_its_limit_says_everything(caplog: pytest.LogCaptureFixture) -> None:
    """Without lines left out there is no line about them."""
    now = [0.0]
    log = LimitedLog(logging.getLogger("tocsin.mqtt"), lambda: now[0])
    for _ in range(3 * loglimit.LINES):
        log.warning("a %s", "line")
        now[0] += loglimit.PERIOD_S / loglimit.LINES
    assert {record.getMessage() for record in caplog.records} == {"a line"}
    assert len(caplog.records) == 3 * loglimit.LINES


def test_ten_thousand_commands_cost_a_few_and_the_last_one_holds() -> None:
    """A few commands are obeyed at once, and of a flood the last one."""
    bench = SubscriptionsBench()
    for number in range(MANY):
        bench.now_s = 5.0 * number / MANY
        bench.receive("t/n/away/set", b"ON" if number % 2 else b"OFF")
        bench.receive("t/n/mic/detect/set", b"OFF")
        bench.subscriptions.catch_up()
    assert len(bench.commands) <= 2 * (ratelimit.BURST + 6)
    bench.receive("t/n/away/set", b"OFF")
    bench.now_s += 2.0
    bench.subscriptions.catch_up()
    assert [payload for suffix, payload in bench.commands if suffix == "away/set"][-1] == "OFF"
    count = len(bench.commands)
    bench.now_s += 60.0
    bench.subscriptions.catch_up()
    assert len(bench.commands) == count, "each is obeyed once"


def test_commands_for_ever_new_sources_do_not_fill_the_memory() -> None:
    """The oldest topics are forgotten."""
    slow = RateLimiter()
    for number in range(MANY):
        for _ in range(ratelimit.BURST + 1):
            slow.admit(str(number), b"ON", 0.0)
    assert len(slow.take_due(1e9)) < MANY / 10


def test_what_is_too_large_is_not_asked_for_again_for_a_while() -> None:
    """The other topics are requested; a new connection does not end the pause."""
    bench = SubscriptionsBench()
    bench.subscriptions.follow("lamp", lambda _: None)

    def asked() -> list[str]:
        wanted: list[str] = []
        bench.subscriptions.begin()
        bench.subscriptions.subscribe_pending(lambda topic: wanted.append(topic))  # noqa: PLW0108 - it returns None
        return wanted

    everything = asked()
    for _ in range(2):
        assert "was not read" in bench.subscriptions.note_oversize("t/n/x/detect/set", 10**8)
    assert asked() == [topic for topic in everything if topic != "t/n/+/detect/set"]
    bench.now_s = oversize.OVERSIZE_PAUSE_S
    assert asked() == everything
