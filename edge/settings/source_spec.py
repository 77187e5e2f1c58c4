"""Parser of source specifications such as ``file:street.wav?loop=1&speed=4``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from edge.errors import UsageError
from edge.settings.address import escape_white_space, explain_misplaced_sign, mask
from edge.settings.invalid import InvalidValueError
from edge.settings.section import check_host

_ALLOWED = (
    "mic, mic:ID, file:PATH[?loop=1&speed=4], rtsp://…, http(s)://…, pcm:-[?rate=16000&channels=1], udp://[HOST]:PORT"
)
_URL_SCHEMES = ("rtsp", "rtsps", "http", "https")
_PLAIN = ("file:", "mic:")  # contain no password, and may contain spaces
_EVERY_ADDRESS = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared, not bound
_RATE_HZ, _CHANNELS = 16_000, 1  # defaults for raw samples
_RATES_HZ = (4_000, 192_000)
_MAX_CHANNELS = 8
_MAX_SPEED = 1_000.0


@dataclass(frozen=True)
class MicSpec:
    """A microphone: the default one, or one with a stable id."""

    masked: str
    device: str | None = None


@dataclass(frozen=True)
class FileSpec:
    """A recording, played at `speed` times real time (infinite: without pauses)."""

    masked: str
    path: Path
    loop: bool = False
    speed: float = 1.0


@dataclass(frozen=True)
class UrlSpec:
    """A stream that ffmpeg opens."""

    masked: str
    url: str


@dataclass(frozen=True)
class PcmSpec:
    """16-bit little-endian samples on standard input."""

    masked: str
    rate_hz: int = _RATE_HZ
    channels: int = _CHANNELS


@dataclass(frozen=True)
class UdpSpec:
    """Datagrams of 16-bit little-endian samples."""

    masked: str
    host: str
    port: int
    rate_hz: int = _RATE_HZ
    channels: int = _CHANNELS


SourceSpec = MicSpec | FileSpec | UrlSpec | PcmSpec | UdpSpec


def parse_source(spec: str) -> SourceSpec:
    """Parse the text of a source; raises `UsageError`."""
    text = spec.strip()
    scheme, colon, rest = text.partition(":")
    if text == "mic":
        return MicSpec(text)
    if colon and scheme == "mic" and rest:
        return MicSpec(text, rest)
    if colon and scheme == "file":
        return _parse_file(text, rest)
    if colon and scheme == "pcm":
        return _parse_pcm(text, rest)
    if colon and scheme == "udp":
        return _parse_udp(text)
    if colon and scheme in _URL_SCHEMES:
        return _parse_url(text)
    raise _wrong(text, "the kind is unknown", f"allowed are {_ALLOWED}")


def explain_clash(one: SourceSpec, other: SourceSpec) -> str | None:
    """Return why two sources cannot be open at once; None if they can."""
    if isinstance(one, PcmSpec) and isinstance(other, PcmSpec):
        return "another source reads standard input already"
    if isinstance(one, UdpSpec) and isinstance(other, UdpSpec) and one.port == other.port:
        hosts = {one.host, other.host}
        if len(hosts) == 1 or hosts & _EVERY_ADDRESS:
            return f"another source listens on UDP port {one.port} already"
    return None


def _wrong(text: str, what: str, remedy: str = "") -> UsageError:
    shown = text if text.startswith(_PLAIN) else mask(escape_white_space(text))
    return UsageError(what, where=f"source {shown!r}", remedy=remedy)


def _parse_file(text: str, rest: str) -> FileSpec:
    path, options = _split_options(text, rest, {"loop", "speed"})
    if path.startswith("///"):
        path = path[2:]
    if not path:
        raise _wrong(text, "the path is missing, as in file:street.wav")
    loop = options.get("loop", "0")
    if loop not in {"0", "1"}:
        raise _wrong(text, "loop must be 0 or 1")
    try:
        place = Path(path).expanduser()
    except RuntimeError as exc:
        raise _wrong(text, f"there is no user {path.partition('/')[0]}") from exc
    return FileSpec(text, place, loop == "1", _parse_speed(text, options.get("speed", "1")))


def _parse_speed(text: str, value: str) -> float:
    if value == "max":
        return math.inf
    try:
        speed = float(value)
    except ValueError:
        speed = math.nan
    if not 0.0 < speed <= _MAX_SPEED:
        raise _wrong(text, f"speed must be max or a number above 0, up to {_MAX_SPEED:g}")
    return speed


def _parse_pcm(text: str, rest: str) -> PcmSpec:
    where, options = _split_options(text, rest, {"rate", "channels"})
    if where != "-":
        raise _wrong(text, "raw samples come from standard input only", "write pcm:-")
    return PcmSpec(text, *_parse_format(text, options))


def _parse_udp(text: str) -> UdpSpec:
    url, options = _split_options(text, text, {"rate", "channels"})
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as exc:
        raise _wrong(text, "the port must be a number from 1 to 65535, as in udp://:5005") from exc
    try:
        check_host(host)
    except InvalidValueError as exc:
        raise _wrong(text, f"the host {exc.what}") from exc
    if not port or parts.path or parts.username:
        raise _wrong(text, "the address must look like udp://:5005 or udp://192.168.1.5:5005")
    return UdpSpec(text, host, port, *_parse_format(text, options))


def _parse_url(text: str) -> UrlSpec:
    if why := explain_misplaced_sign(text):
        raise _wrong(text, *why)
    try:
        host = urlsplit(text).hostname
    except ValueError:
        host = None
    if any(character.isspace() for character in text):
        raise _wrong(text, "an address must not hold white space", "write %20 where a name or password has it")
    if not host or not text.isprintable():
        raise _wrong(text, "the address must look like rtsp://host/path or http://host/path")
    if "#" in text:
        raise _wrong(text, "# has no meaning in a stream's address", "write %23 where a name or password has it")
    try:
        port = urlsplit(text).port
    except ValueError:
        port = 0
    if port == 0:
        raise _wrong(text, "the port must be a number from 1 to 65535")
    return UrlSpec(mask(text), text)


def _parse_format(text: str, options: dict[str, str]) -> tuple[int, int]:
    low, high = _RATES_HZ
    rate, channels = options.get("rate", str(_RATE_HZ)), options.get("channels", str(_CHANNELS))
    if not (rate.isascii() and rate.isdigit() and low <= int(rate) <= high):
        raise _wrong(text, f"rate must be a number of Hz from {low} to {high}")
    if not (channels.isascii() and channels.isdigit() and 1 <= int(channels) <= _MAX_CHANNELS):
        raise _wrong(text, f"channels must be a number from 1 to {_MAX_CHANNELS}")
    return int(rate), int(channels)


def _split_options(text: str, rest: str, known: set[str]) -> tuple[str, dict[str, str]]:
    """Split ``where?name=value&…``; a query without ``=`` belongs to the path."""
    where, mark, query = rest.rpartition("?")
    if not mark or "=" not in query:
        return rest, {}
    options = dict(parse_qsl(query, keep_blank_values=True))
    if unknown := sorted(set(options) - known):
        raise _wrong(text, f"unknown option {', '.join(unknown)}", f"allowed are {', '.join(sorted(known))}")
    return where, options
