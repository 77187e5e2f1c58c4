"""Recording devices: microphone, clipping, band limit and codec."""

from __future__ import annotations

import dataclasses
import io
from typing import TYPE_CHECKING

import numpy as np
import soundfile
import soxr

from training.sound.spectrum import filter_spectrum, from_db
from training.sound.time import fit_length

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

_LOWEST_HZ = 60.0


@dataclasses.dataclass(frozen=True, slots=True)
class Codec:
    """A lossy audio format."""

    container: str
    """The name of the container in libsndfile."""
    subtype: str
    """The name of the codec in libsndfile."""
    rates_hz: tuple[int, ...]
    """Usual sampling rates."""
    compression: tuple[float, float] | None = None
    """Least and most compression, 0 to 1, if it can be chosen."""


CODECS = {
    "vorbis": Codec("OGG", "VORBIS", (8_000, 16_000), (0.7, 1.0)),
    "opus": Codec("OGG", "OPUS", (8_000, 16_000), (0.85, 0.97)),
    "mp3": Codec("MP3", "MPEG_LAYER_III", (8_000, 11_025, 16_000), (0.5, 0.99)),
    "gsm": Codec("WAV", "GSM610", (8_000,)),
    "mu_law": Codec("WAV", "ULAW", (8_000,)),
    "adpcm": Codec("WAV", "IMA_ADPCM", (8_000, 16_000)),
}


def resample(samples: NDArray[np.float32], rate_hz: int, to_hz: int) -> NDArray[np.float32]:
    """Resample to another rate, with a sharp cut above its band."""
    return samples if to_hz == rate_hz else np.asarray(soxr.resample(samples, rate_hz, to_hz, quality="MQ"), np.float32)


def band_limit(samples: NDArray[np.float32], rate_hz: int, as_rate_hz: int) -> NDArray[np.float32]:
    """Limit a sound to the band of a recording at `as_rate_hz`."""
    if as_rate_hz >= rate_hz:
        return np.array(samples, np.float32)
    return fit_length(resample(resample(samples, rate_hz, as_rate_hz), as_rate_hz, rate_hz), samples.size)


def apply_codec(samples: NDArray[np.float32], rate_hz: int, name: str, rng: Generator) -> NDArray[np.float32]:
    """Encode and decode a sound by one of `CODECS`, at a random rate and compression.

    Raises `ValueError` for an unknown name.
    """
    if name not in CODECS:
        msg = f"codec: unknown name {name!r}; known: {', '.join(CODECS)}"
        raise ValueError(msg)
    codec = CODECS[name]
    usual = [rate for rate in codec.rates_hz if rate <= rate_hz] or [min(codec.rates_hz)]
    stored_hz = int(rng.choice(usual))
    level = float(rng.uniform(*codec.compression)) if codec.compression else None
    # integer formats clip at full scale, so scale the clip below it
    peak = max(1.0, float(np.abs(samples).max(initial=0.0)))
    file = io.BytesIO()
    stored = resample(samples / np.float32(peak), rate_hz, stored_hz)
    soundfile.write(file, stored, stored_hz, codec.subtype, format=codec.container, compression_level=level)
    file.seek(0)
    decoded, _ = soundfile.read(file, dtype="float32")
    return fit_length(resample(np.nan_to_num(decoded), stored_hz, rate_hz) * np.float32(peak), samples.size)


def apply_microphone(
    samples: NDArray[np.float32], rate_hz: int, spread_db: float, rng: Generator
) -> NDArray[np.float32]:
    """Colour a sound like a cheap microphone in a case.

    A smooth random curve of standard deviation `spread_db` over octaves, one to three resonances of up to 12 dB with a
    quality of 1 to 8 (the case and its opening), and a high-pass of 20 to 200 Hz (the capsule).
    """
    curve_db = rng.normal(0.0, spread_db, 10)
    low_hz = np.exp(rng.uniform(np.log(20.0), np.log(200.0)))
    count = int(rng.integers(1, 4))
    centres_hz = np.exp(rng.uniform(np.log(200.0), np.log(0.45 * rate_hz), count))
    quality, peaks = rng.uniform(1.0, 8.0, count), 10.0 ** (rng.uniform(-6.0, 12.0, count) / 20.0) - 1.0

    def response(hz: NDArray[np.float32]) -> NDArray[np.complex64]:
        table = np.append(0.0, np.geomspace(10.0, rate_hz / 2.0, 1_000))
        octave = np.log2(np.maximum(table, _LOWEST_HZ) / _LOWEST_HZ)
        # a resonance rings after a sound, not before it: its phase counts
        factor = 1.0 / (1.0 - 1j * low_hz / np.maximum(table, 1e-3))
        for centre_hz, q, peak in zip(centres_hz, quality, peaks, strict=True):
            factor *= 1.0 + peak / (1.0 + 1j * q * (table / centre_hz - centre_hz / np.maximum(table, 1e-3)))
        factor *= from_db(np.interp(octave, np.arange(curve_db.size), curve_db))
        return np.asarray(np.interp(hz, table, factor), np.complex64)

    return filter_spectrum(samples, rate_hz, response)


def clip_hard(samples: NDArray[np.float32], below_peak_db: float) -> NDArray[np.float32]:
    """Clip a sound at `below_peak_db` below its peak, as a converter does."""
    limit = _find_limit(samples, below_peak_db)
    return np.asarray(np.clip(samples, -limit, limit), np.float32)


def clip_soft(samples: NDArray[np.float32], below_peak_db: float) -> NDArray[np.float32]:
    """Limit a sound softly at `below_peak_db` below its peak, by a hyperbolic tangent.

    An amplifier or a limiter does this.
    """
    limit = _find_limit(samples, below_peak_db)
    return np.asarray(limit * np.tanh(samples / max(limit, 1e-9)), np.float32)


def _find_limit(samples: NDArray[np.float32], below_peak_db: float) -> float:
    return float(np.abs(samples).max(initial=0.0) * 10.0 ** (-below_peak_db / 20.0))
