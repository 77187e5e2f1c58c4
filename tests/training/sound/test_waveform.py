"""Augmentations of waveforms: true to their words, of one length, seeded, and calm about silence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from training.sound.chain import vary
from training.sound.claps import in_room
from training.sound.device import CODECS, band_limit, clip_hard, clip_soft, microphone, through_codec
from training.sound.noise import (
    BACKGROUND_SNR_DB,
    NOISE_SNR_DB,
    add_noise,
    coloured_noise,
    gain,
    loud_power,
    mix_at_snr,
    mixup,
)
from training.sound.rooms import (
    SPEED_OF_SOUND_M_S,
    air_absorption_db_per_m,
    at_distance,
    barrier_loss_db,
    room_response,
    street_response,
)
from training.sound.spectrum import fast_length, shaped
from training.sound.time import SEMITONES, SPEEDS, pitch_shift, time_stretch

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

RATE_HZ = 16_000


def dice(seed: int = 1) -> Generator:
    return np.random.default_rng(seed)


def tone(hz: float, seconds: float = 1.0, rate_hz: int = RATE_HZ) -> Samples:
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz)).astype(np.float32)


def click(at: int = 4_000, n: int = RATE_HZ) -> Samples:
    out = np.zeros(n, np.float32)
    out[at : at + 8] = 0.5
    return out


def pitch_hz(samples: Samples, rate_hz: int = RATE_HZ) -> float:
    """Return the loudest frequency of the middle of a clip."""
    middle = samples[samples.size // 4 : 3 * samples.size // 4]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(middle.size), 1 << 18))
    return float(spectrum.argmax() * rate_hz / (1 << 18))


def level_db(samples: Samples) -> float:
    return float(10.0 * np.log10(np.mean(np.square(samples))))


def above(samples: Samples, hz: float) -> float:
    """Return the share of a clip's power above a frequency."""
    power = np.abs(np.fft.rfft(samples)) ** 2
    return float(power[np.fft.rfftfreq(samples.size, 1 / RATE_HZ) > hz].sum() / power.sum())


def coded(name: str) -> Callable[[Samples, Generator], Samples]:
    return lambda samples, rng: through_codec(samples, RATE_HZ, name, rng)


SAME_LENGTH: dict[str, Callable[[Samples, Generator], Samples]] = {
    "pitch_shift": lambda x, g: pitch_shift(x, RATE_HZ, g.uniform(*SEMITONES)),
    "gain": lambda x, g: gain(x, g.uniform(-20.0, 6.0)),
    "mix_at_snr": lambda x, g: mix_at_snr(x, tone(300.0, 2.0) + tone(310.0, 2.0), RATE_HZ, 5.0, g),
    "add_noise": lambda x, g: add_noise(x, RATE_HZ, 15.0, g),
    "mixup": lambda x, g: mixup(x, x[::-1], 0.4, g)[0],
    "at_distance": lambda x, g: at_distance(x, RATE_HZ, g.uniform(5.0, 300.0), ground=0.7, detour_m=0.5),
    "room": lambda x, g: in_room(x, room_response(RATE_HZ, g)),
    "street": lambda x, g: in_room(x, street_response(RATE_HZ, g)),
    "band_limit": lambda x, g: band_limit(x, RATE_HZ, int(g.choice([8_000, 11_025]))),
    "microphone": lambda x, g: microphone(x, RATE_HZ, 4.0, g),
    "clip_hard": lambda x, g: clip_hard(x, g.uniform(3.0, 20.0)),
    "clip_soft": lambda x, g: clip_soft(x, g.uniform(3.0, 20.0)),
    "vary": lambda x, g: vary(x, RATE_HZ, g),
    **{f"codec {name}": coded(name) for name in CODECS},
}


@pytest.mark.parametrize("name", SAME_LENGTH)
def test_length_type_and_input_stay_and_the_seed_decides(name: str) -> None:
    """As many float32 samples come out as went in; the input is as it was; one seed gives one result."""
    samples = tone(440.0, 0.7) * np.linspace(0.1, 1.0, 11_200, dtype=np.float32)
    before = samples.copy()
    once, again = SAME_LENGTH[name](samples, dice()), SAME_LENGTH[name](samples, dice())
    assert once.dtype == np.float32
    assert once.shape == samples.shape
    assert np.array_equal(once, again)
    assert np.array_equal(samples, before)
    assert np.isfinite(once).all()
    assert once.any()


@pytest.mark.parametrize("name", SAME_LENGTH)
@pytest.mark.parametrize("n", [1, 5, 400, 3_200])
def test_silence_and_scraps_stay_finite(name: str, n: int) -> None:
    """Digital silence, of any length, gives no NaN, and a scrap of sound keeps its length."""
    for samples in (np.zeros(n, np.float32), tone(440.0)[:n]):
        out = SAME_LENGTH[name](samples, dice(3))
        assert np.isfinite(out).all()
        assert out.size == n


@pytest.mark.parametrize("speed", SPEEDS)
@pytest.mark.parametrize("hz", [90.0, 440.0, 3_000.0])
def test_a_stretch_changes_the_length_and_not_the_pitch(speed: float, hz: float) -> None:
    """A tone lasts 1 / speed as long, sounds as high and as loud."""
    out = time_stretch(tone(hz), RATE_HZ, speed)
    assert out.size == round(RATE_HZ / speed)
    assert pitch_hz(out) == pytest.approx(hz, rel=0.005)
    assert level_db(out) == pytest.approx(level_db(tone(hz)), abs=0.5)


def test_a_stretch_at_its_own_speed_is_the_sound() -> None:
    """Speed 1 finds every frame where it was."""
    noise = coloured_noise(RATE_HZ, RATE_HZ, 0.0, dice())
    assert np.allclose(time_stretch(noise, RATE_HZ, 1.0), noise, atol=1e-5)


def test_a_stretch_moves_an_attack_to_its_new_place() -> None:
    """What began after 0.5 s begins after 0.5 s / speed, within the search of WSOLA."""
    out = time_stretch(click(8_000), RATE_HZ, 0.8)
    assert np.flatnonzero(np.abs(out) > 0.1)[0] == pytest.approx(10_000, abs=round(0.012 * RATE_HZ))


def test_a_stretch_refuses_to_stand_still() -> None:
    """A speed of 0 is said to be wrong."""
    with pytest.raises(ValueError, match="speed is 0"):
        time_stretch(tone(440.0), RATE_HZ, 0.0)


@pytest.mark.parametrize("semitones", [*SEMITONES, 0.5])
@pytest.mark.parametrize("rate_hz", [16_000, 8_000])
def test_a_shift_changes_the_pitch_and_not_the_length(semitones: float, rate_hz: int) -> None:
    """A tone moves by semitones, at the published two and between."""
    out = pitch_shift(tone(880.0, 1.0, rate_hz), rate_hz, semitones)
    assert out.size == rate_hz
    assert pitch_hz(out, rate_hz) == pytest.approx(880.0 * 2.0 ** (semitones / 12.0), rel=0.005)


@pytest.mark.parametrize("snr_db", NOISE_SNR_DB)
def test_noise_has_the_ratio_asked_for(snr_db: float) -> None:
    """Noise lies 5 or 15 dB below the sound."""
    sound = tone(440.0)
    assert level_db(sound) - level_db(add_noise(sound, RATE_HZ, snr_db, dice()) - sound) == pytest.approx(
        snr_db, abs=0.01
    )


def test_noise_has_its_colour() -> None:
    """Pink noise falls by 3 dB an octave, white noise does not."""
    for slope_db, share in ((0.0, 0.5), (-3.0, 0.13)):
        assert above(coloured_noise(8 * RATE_HZ, RATE_HZ, slope_db, dice()), 4_000.0) == pytest.approx(share, abs=0.03)


@pytest.mark.parametrize("snr_db", BACKGROUND_SNR_DB)
def test_a_background_lies_below_the_loud_part(snr_db: float) -> None:
    """A short sound is compared by its loudest tenth; a background that is too short is repeated."""
    sound = np.concatenate((np.zeros(9 * 1_600, np.float32), tone(440.0, 0.1)))
    added = mix_at_snr(sound, tone(100.0, 0.3), RATE_HZ, snr_db, dice()) - sound
    assert level_db(sound[-1_600:]) - level_db(added) == pytest.approx(snr_db, abs=0.1)
    assert np.abs(added[-1_600:]).max() > 0


def test_a_background_stays_as_it_is_where_there_is_no_sound() -> None:
    """Silence has no ratio, and nothing behind it changes nothing."""
    assert np.array_equal(
        mix_at_snr(np.zeros(800, np.float32), tone(100.0)[:800], RATE_HZ, 9.0, dice()), tone(100.0)[:800]
    )
    assert np.array_equal(mix_at_snr(tone(100.0), np.zeros(0, np.float32), RATE_HZ, 9.0, dice()), tone(100.0))


def test_loudness_is_that_of_the_loudest_tenth() -> None:
    """Silence around a tone does not make it fainter."""
    assert loud_power(np.pad(tone(440.0, 0.2), (RATE_HZ, 0)), RATE_HZ) == pytest.approx(0.045, rel=0.02)
    assert loud_power(np.zeros(0, np.float32), RATE_HZ) == 0.0


def test_mixup_blends_by_the_share_it_tells() -> None:
    """The share of the first lies between 0 and 1 and weighs both."""
    one, other = tone(440.0), tone(880.0)
    mixed, share = mixup(one, other, 0.4, dice())
    assert 0.0 < share < 1.0
    assert np.allclose(mixed, share * one + (1 - share) * other, atol=1e-6)


@pytest.mark.parametrize(
    ("temperature_c", "db_per_km"),
    [(10.0, [0.1, 0.4, 1.0, 1.9, 3.7, 9.7, 32.8, 117.0]), (20.0, [0.1, 0.3, 1.1, 2.8, 5.0, 9.0, 22.9, 76.6])],
)
def test_air_absorbs_as_in_the_standard(temperature_c: float, db_per_km: list[float]) -> None:
    """The octaves from 63 Hz to 8 kHz at 70 % humidity lose what table 2 of ISO 9613-2 takes from ISO 9613-1."""
    octaves = 1_000.0 * 2.0 ** np.arange(-4, 4)
    measured = 1_000.0 * air_absorption_db_per_m(octaves, temperature_c, 70.0)
    assert measured == pytest.approx(db_per_km, rel=0.02, abs=0.06)


@pytest.mark.parametrize("hz", [250.0, 4_000.0])
def test_distance_takes_its_level_and_its_highs(hz: float) -> None:
    """At 100 m a tone is 40 dB fainter, and by the air's share more."""
    lost = level_db(tone(hz)) - level_db(at_distance(tone(hz), RATE_HZ, 100.0))
    assert lost == pytest.approx(40.0 + 100.0 * air_absorption_db_per_m(np.array([hz]))[0], abs=0.1)


def test_the_ground_interferes_where_the_ways_differ_by_half_a_wave() -> None:
    """Near and high above hard ground, one frequency nearly vanishes and its octave grows."""
    way_m = np.hypot(10.0, 6.0) - 10.0
    null_hz = SPEED_OF_SOUND_M_S / way_m / 2.0
    lost = [
        level_db(at_distance(tone(hz), RATE_HZ, 10.0, height_m=3.0))
        - level_db(at_distance(tone(hz), RATE_HZ, 10.0, height_m=3.0, ground=0.9))
        for hz in (null_hz, 2 * null_hz)
    ]
    assert lost[0] > 10.0
    assert lost[1] < -4.0


def test_a_corner_takes_highs_and_not_endlessly() -> None:
    """The loss grows with frequency, from nothing to 24 dB."""
    loss = barrier_loss_db(np.array([0.0, 250.0, 2_000.0, 1e6]), 1.0)
    assert loss[0] == 0.0
    assert (np.diff(loss) > 0).all()
    assert loss[-1] == 24.0
    assert above(at_distance(click(), RATE_HZ, 5.0, detour_m=1.0), 4_000.0) < above(click(), 4_000.0) / 5


@pytest.mark.parametrize("rate_hz", [8_000, 16_000])
@pytest.mark.parametrize("response", [room_response, street_response])
def test_a_space_begins_with_the_direct_sound(response: Callable[[int, Generator], Samples], rate_hz: int) -> None:
    """Nothing is louder than the first samples, some energy follows, and all is over after 1.2 s."""
    for seed in range(20):
        heard = response(rate_hz, dice(seed))
        assert np.abs(heard).argmax() <= 1
        assert np.abs(heard[round(0.01 * rate_hz) :]).max() > 0
        assert heard.size <= 1.2 * rate_hz + 1


def test_streets_answer_late_and_sparsely() -> None:
    """Facades answer after a metre of way at least; the tail fades."""
    responses = [street_response(RATE_HZ, dice(seed)) for seed in range(20)]
    energies = np.array([[np.sum(np.square(part)) for part in np.array_split(r[40:], 4)] for r in responses])
    assert (energies[:, 0] > energies[:, -1]).all()
    assert np.median([np.mean(np.abs(r) > 1e-3 * np.abs(r).max()) for r in responses]) < 0.9


def test_a_band_limit_leaves_nothing_above_and_all_below() -> None:
    """What 8 kHz cannot carry is gone; a tone below stays."""
    assert level_db(band_limit(tone(5_000.0), RATE_HZ, 8_000)[800:-800]) < level_db(tone(5_000.0)) - 60
    assert np.allclose(band_limit(tone(1_000.0), RATE_HZ, 8_000)[800:-800], tone(1_000.0)[800:-800], atol=2e-3)
    assert np.array_equal(band_limit(tone(5_000.0), RATE_HZ, 44_100), tone(5_000.0))


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("name", CODECS)
def test_a_codec_keeps_a_sound_in_its_place_and_changes_it(name: str, seed: int) -> None:
    """What is decoded lies where it was, sounds alike, and is not the same; full scale may be exceeded."""
    sound = shaped(
        np.pad(coloured_noise(4_000, RATE_HZ, -3.0, dice()), 4_000), RATE_HZ, lambda hz: 3.0 / (1 + hz / 500)
    )
    heard = through_codec(sound, RATE_HZ, name, dice(seed))
    alike = np.fft.irfft(np.fft.rfft(heard) * np.conj(np.fft.rfft(sound)))
    assert alike.argmax() == 0
    assert alike.max() > 0.7 * np.linalg.norm(heard) * np.linalg.norm(sound)
    assert not np.allclose(heard, sound, atol=1e-3)


def test_an_unknown_codec_is_named_with_the_known_ones() -> None:
    """The error says what there is."""
    with pytest.raises(ValueError, match=r"'aac'; known: vorbis, opus"):
        through_codec(tone(440.0), RATE_HZ, "aac", dice())


def test_microphones_differ_and_do_not_ring_ahead() -> None:
    """Two microphones colour noise differently, and before an attack there is next to nothing."""
    noise = coloured_noise(RATE_HZ, RATE_HZ, 0.0, dice())
    shares = [above(microphone(noise, RATE_HZ, 4.0, dice(seed)), 2_000.0) for seed in range(8)]
    assert max(shares) > min(shares) + 0.1
    heard = microphone(click(), RATE_HZ, 0.0, dice())
    assert np.sum(np.square(heard[:3_990])) < 1e-3 * np.sum(np.square(heard))


def test_clipping_holds_the_loud_and_leaves_the_quiet() -> None:
    """Peaks come down by the decibels asked for; hard clipping leaves what is below as it is."""
    sound = tone(440.0)
    for clip in (clip_hard, clip_soft):
        assert np.abs(clip(sound, 6.0)).max() == pytest.approx(0.3 * 10 ** (-6 / 20), rel=0.05)
    quiet = np.abs(sound) < 0.1
    assert np.array_equal(clip_hard(sound, 6.0)[quiet], sound[quiet])


def test_a_filter_does_not_run_into_the_begin() -> None:
    """What rings at the end of a clip is cut, not wrapped around."""
    late = shaped(click(RATE_HZ - 8), RATE_HZ, lambda hz: np.exp(-2j * np.pi * hz * 0.01))
    assert np.abs(late).max() < 1e-6


def test_fast_lengths_are_near_and_not_below() -> None:
    """A quarter longer at most, and made of 2, 3 and 5."""
    for n in (9, 1_000, 1_025, 160_000, 164_001, 262_145):
        assert n <= fast_length(n) <= 1.25 * n + 8
    assert fast_length(163_840) == 163_840


def test_variations_differ_and_keep_the_level_and_the_place() -> None:
    """Copies differ from each other, stay within full scale, near the clip's level, and a click stays where it was."""
    sound = click() + 0.001 * tone(300.0)
    copies = [vary(sound, RATE_HZ, dice(seed)) for seed in range(40)]
    assert len({copy.tobytes() for copy in copies}) == 40
    assert max(np.abs(copy).max() for copy in copies) <= 1.0
    assert all(-13.0 < level_db(copy) - level_db(sound) < 7.0 for copy in copies)
    places = np.array([np.abs(copy).argmax() for copy in copies])
    assert np.mean(np.abs(places - 4_000) < 0.03 * RATE_HZ) > 0.8


def test_a_variation_of_nothing_is_nothing() -> None:
    """Silence stays silent, and an empty clip empty."""
    for seed in range(20):
        assert not vary(np.zeros(800, np.float32), RATE_HZ, dice(seed)).any()
        assert vary(np.zeros(0, np.float32), RATE_HZ, dice(seed)).size == 0
