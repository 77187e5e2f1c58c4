"""Factory of sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.settings.source_spec import FileSpec, MicSpec, PcmSpec, SourceSpec, UrlSpec

if TYPE_CHECKING:
    from edge.audio.sources.source import AudioSource


def make_source(spec: SourceSpec, rate_hz: int) -> AudioSource:
    """Return the source for a spec, not yet open; recordings are read at `rate_hz`."""
    # Each kind is imported when it is used: a node with a microphone loads no decoder.
    if isinstance(spec, MicSpec):
        from edge.audio.sources.microphone import MicrophoneSource  # noqa: PLC0415

        return MicrophoneSource(spec.device)
    if isinstance(spec, FileSpec):
        from edge.audio.sources.file import FileSource  # noqa: PLC0415

        return FileSource(spec, rate_hz)
    if isinstance(spec, UrlSpec):
        from edge.audio.sources.ffmpeg import FfmpegSource  # noqa: PLC0415

        return FfmpegSource(spec)
    if isinstance(spec, PcmSpec):
        from edge.audio.sources.pcm import PcmSource  # noqa: PLC0415

        return PcmSource(spec)
    from edge.audio.sources.udp import UdpSource  # noqa: PLC0415

    return UdpSource(spec)
