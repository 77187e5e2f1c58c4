"""The demonstration scene and its documentation."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from edge.data import street_path

HERE = Path(__file__).parent
TRUTH = json.loads((HERE.parent / "data" / "street.json").read_text(encoding="utf-8"))


def test_scene_is_small_and_has_the_documented_length() -> None:
    """The scene is a minute or so of mono sound of at most 6 MB that never clips."""
    samples, rate_hz = sf.read(street_path(), dtype="float32")
    assert street_path().stat().st_size <= 6_000_000
    assert samples.ndim == 1
    assert samples.size / rate_hz == pytest.approx(TRUTH["duration_s"])
    assert 60 <= TRUTH["duration_s"] <= 90
    assert np.abs(samples).max() < 1.0


def test_scene_has_every_documented_event() -> None:
    """Traffic, a siren, horns and gunshots are in it, each inside the scene."""
    events = TRUTH["events"]
    assert {event["label"] for event in events} == {"traffic", "siren", "horn", "gunshot"}
    assert all(0 <= event["onset_s"] < event["end_s"] <= TRUTH["duration_s"] for event in events)


@pytest.mark.parametrize(
    "event", [e for e in TRUTH["events"] if e["label"] in {"gunshot", "horn"}], ids=lambda e: e["label"]
)
def test_sudden_sounds_begin_at_their_documented_onset(event: dict[str, float]) -> None:
    """Above 300 Hz the tenth of a second after the onset is far louder than the one before."""
    samples, rate_hz = sf.read(street_path(), dtype="float32")
    n = rate_hz // 10
    at = round(event["onset_s"] * rate_hz)
    power = [np.square(np.diff(samples[a : a + n])).mean() for a in (at - n - n // 5, at)]
    assert power[1] > 10 * power[0]


def test_every_recording_in_the_mix_is_credited() -> None:
    """Each file of the table of placements is in the attribution of the scene."""
    spec = importlib.util.spec_from_file_location("make_street", HERE.parent / "data" / "make_street.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(__import__("sys").modules, "make_street", module)
        spec.loader.exec_module(module)
    credit = street_path().with_name("ATTRIBUTION.md").read_text(encoding="utf-8")
    assert all(placement.file in credit for placement in module.PLACEMENTS)
