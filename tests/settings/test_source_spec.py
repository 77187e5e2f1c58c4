"""Source specifications."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from edge.errors import UsageError
from edge.settings.address import mask
from edge.settings.source_spec import FileSpec, MicSpec, PcmSpec, UdpSpec, UrlSpec, parse_source


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("mic", MicSpec("mic")),
        ("mic:usb:1-1.4", MicSpec("mic:usb:1-1.4", "usb:1-1.4")),
        ("mic:Studio Mic: Audio", MicSpec("mic:Studio Mic: Audio", "Studio Mic: Audio")),
        ("file:a/b.wav", FileSpec("file:a/b.wav", Path("a/b.wav"))),
        ("file:/a b.wav?loop=1&speed=4", FileSpec("file:/a b.wav?loop=1&speed=4", Path("/a b.wav"), True, 4.0)),
        ("file:///a.wav?speed=max", FileSpec("file:///a.wav?speed=max", Path("/a.wav"), speed=math.inf)),
        ("file:what?.wav", FileSpec("file:what?.wav", Path("what?.wav"))),
        ("pcm:-", PcmSpec("pcm:-")),
        ("pcm:-?rate=44100&channels=2", PcmSpec("pcm:-?rate=44100&channels=2", 44_100, 2)),
        ("udp://:5005", UdpSpec("udp://:5005", "", 5005)),
        ("udp://127.0.0.1:5005?rate=8000", UdpSpec("udp://127.0.0.1:5005?rate=8000", "127.0.0.1", 5005, 8_000)),
        ("udp://[::1]:5005", UdpSpec("udp://[::1]:5005", "::1", 5005)),
        ("http://radio/live", UrlSpec("http://radio/live", "http://radio/live")),
        ("rtsp://me:pw@cam/1", UrlSpec("rtsp://***@cam/1", "rtsp://me:pw@cam/1")),
        ("rtsp://[::1]:554/a@b", UrlSpec("rtsp://[::1]:554/a@b", "rtsp://[::1]:554/a@b")),
        ("http://[fe80::1%25eth0]/a@b:c", UrlSpec("http://[fe80::1%25eth0]/a@b:c", "http://[fe80::1%25eth0]/a@b:c")),
        ("rtsp://me:%23p@w@cam/1", UrlSpec("rtsp://***@cam/1", "rtsp://me:%23p@w@cam/1")),
    ],
)
def test_every_kind_is_read(text: str, spec: object) -> None:
    """Every documented form is parsed into its record."""
    assert parse_source(text) == spec


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "kind is unknown"),
        ("microphone", "kind is unknown"),
        ("ftp://host/x", "kind is unknown"),
        ("mic:", "kind is unknown"),
        ("file:", "path is missing"),
        ("file:a.wav?speed=0", "speed must be"),
        ("file:a.wav?speed=nan", "speed must be"),
        ("file:a.wav?speed=fast", "speed must be"),
        ("file:a.wav?loop=2", "loop must be"),
        ("file:a.wav?lop=1", "unknown option lop; allowed are loop, speed"),
        ("pcm:x", "standard input"),
        ("pcm:-?rate=0", "rate must be"),
        ("pcm:-?rate=²", "rate must be"),
        ("pcm:-?channels=9", "channels must be"),
        ("udp://", "must look like"),
        ("udp://host:99999", "port must be"),
        ("udp://host:5005/path", "must look like"),
        (f"udp://{64 * 'x'}:5005", "the host must be a name or an address"),
        ("rtsp://", "must look like"),
        ("rtsp://[::1/x", "must look like"),
        ("http://host/a b", "write %20"),
        ("http://host/a\x07", "must look like"),
        ("http://me:a#b@host/", "must not hold # itself; write %23"),
        ("http://me:1#2@host:554/", "must not hold # itself; write %23"),
        ("https://me:a/b@host/", "must not hold / itself; write %2F"),
        ("rtsps://me:a?b@host/", "must not hold [?] itself; write %3F"),
        ("rtsp://me:123456/7@host/", "must not hold / itself; write %2F"),
        ("rtsp://me:a[b@host/", r"must not hold \[ itself; write %5B"),
        ("rtsp://me:a]b@host/", "must not hold ] itself; write %5D"),
        ("rtsp://m#e@host/", "must not hold # itself; write %23"),
        ("rtsp://me:a b@host/", "write %20"),
        ("http://host/path#part", "# has no meaning"),
        ("rtsp://me:100%@host/", "write %25"),
        ("rtsp://host:0/", "port must be"),
        ("http://host:65536/", "port must be"),
        ("http://host:x/", "port must be"),
    ],
)
def test_an_invalid_specification_is_refused(text: str, complaint: str) -> None:
    """An invalid specification raises a usage error of one line with the mistake."""
    with pytest.raises(UsageError, match=complaint) as caught:
        parse_source(text)
    assert "\n" not in str(caught.value)


def test_no_password_is_shown() -> None:
    """Users, passwords and secret parameters of an address are masked in a specification and in errors."""
    assert parse_source("https://h/s?token=abc&quality=1").masked == "https://h/s?token=***&quality=1"
    assert (
        mask("cannot open 'rtsp://u:p%40w@h:554/a?pwd=x': refused")
        == "cannot open 'rtsp://***@h:554/a?pwd=***': refused"
    )
    assert mask("rtsp://u:p/w@h/a http://h:80/a@b") == "rtsp://***@h/a http://h:80/a@b"


@pytest.mark.parametrize("sign", [*"#/?[]% ", "1#", "\t", "#@"])
@pytest.mark.parametrize("place", ["rtsp://user:{}@host/", "http://host/live?password={}&user=me"])
def test_no_password_is_shown_in_an_error_about_it(place: str, sign: str) -> None:
    """The password of a refused address is masked, wherever the invalid character is."""
    for secret in (f"hun{sign}ter2", f"{sign}hun-ter2"):
        try:
            shown = parse_source(place.format(secret)).masked
        except UsageError as exc:
            shown = str(exc)
        assert "ter2" not in shown
