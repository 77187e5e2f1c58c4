"""Real recordings through the real network: every format, and everything that is none."""

from __future__ import annotations

import io
import math
import zipfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile as sf

import edge
from edge.api.answers import ClipAnswer, read_clip_answer
from edge.inference.load import load_classifier
from edge.pipeline.clip import ClipClassifier
from edge.settings.detection import Detection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

    from tests.api.conftest import Serve
    from tests.api.fake_node import FakeNode

BUNDLE = Path(edge.__file__).parent / "models" / "city"


@pytest.fixture(scope="module")
def network() -> ClipClassifier:
    """Return the shipped network."""
    return ClipClassifier(load_classifier([BUNDLE], provider="cpu"), Detection())


@pytest.fixture
def client(
    serve: Serve, node: FakeNode, network: ClipClassifier, monkeypatch: pytest.MonkeyPatch
) -> Iterator[httpx.Client]:
    """Return a client of a node that classifies for real."""

    def classify(path: Path, **options: Any) -> ClipAnswer:
        return read_clip_answer(network.classify(path, **options))

    monkeypatch.setattr(node, "classify", classify)
    with serve() as client:
        yield client


def recording(kind: str, subtype: str, rate_hz: int = 16000, channels: int = 1, duration_s: float = 2.0) -> bytes:
    """Return noise in a file."""
    samples = 0.1 * np.random.default_rng(0).standard_normal((round(rate_hz * duration_s), channels))
    file = io.BytesIO()
    sf.write(file, samples, rate_hz, format=kind, subtype=subtype)
    return file.getvalue()


def zipped() -> bytes:
    """Return an archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.wav", recording("WAV", "PCM_16"))
    return file.getvalue()


@pytest.mark.parametrize(
    ("kind", "subtype", "rate_hz", "channels", "duration_s"),
    [
        ("WAV", "PCM_16", 8000, 1, 0.1), ("WAV", "PCM_24", 44100, 2, 2), ("WAV", "FLOAT", 96000, 8, 2),
        ("WAV", "PCM_U8", 11025, 1, 1), ("WAV", "PCM_16", 8000, 1, 600), ("FLAC", "PCM_16", 96000, 8, 1),
        ("FLAC", "PCM_24", 8000, 1, 0.1), ("OGG", "VORBIS", 44100, 2, 3), ("OGG", "OPUS", 48000, 2, 3),
        ("OGG", "OPUS", 8000, 1, 0.1), ("MP3", "MPEG_LAYER_III", 44100, 2, 3), ("MP3", "MPEG_LAYER_III", 8000, 1, 0.1),
    ],
)  # fmt: skip
def test_recording_is_answered_as_promised(
    client: httpx.Client, kind: str, subtype: str, rate_hz: int, channels: int, duration_s: float
) -> None:
    """Whatever its format, rate and length, a recording gets a score for every label, best first."""
    sound = recording(kind, subtype, rate_hz, channels, duration_s)
    answer = client.post("/classify", files={"file": ("street.bin", sound)})
    assert answer.status_code == 200
    body = answer.json()
    assert set(body) == {"model", "duration_s", "sample_rate", "labels", "events", "timing_ms"}
    assert math.isclose(body["duration_s"], duration_s, abs_tol=0.05)
    assert body["sample_rate"] == rate_hz
    scores = [entry["score"] for entry in body["labels"]]
    assert len(scores) >= 5
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)


@pytest.mark.parametrize(
    ("make", "status"),
    [
        (lambda: recording("WAV", "PCM_16")[:44], 400),
        (partial(recording, "WAV", "PCM_16", 8000, 1, 661), 413),
        (lambda: b"hello world, this is no sound at all", 415),
        (lambda: b"\x89PNG\r\n\x1a\n" + bytes(500), 415),
        (lambda: np.random.default_rng(0).bytes(5000), 415),
        (zipped, 415),
        (lambda: recording("WAV", "PCM_16")[:30], 422),
        (lambda: recording("WAV", "PCM_16")[:20_000], 422),
        (lambda: recording("FLAC", "PCM_16")[:9000], 422),
        (lambda: recording("OGG", "VORBIS")[:200], 422),
        (lambda: recording("WAV", "FLOAT")[:-4] + np.float32(np.nan).tobytes(), 422),
    ],
    ids=["no-samples", "too-long", "text", "picture", "noise", "archive", "no-header", "half", "flac", "ogg", "nan"],
)
def test_what_is_no_sound_gets_its_code(client: httpx.Client, make: Callable[[], bytes], status: int) -> None:
    """Each kind of wrong upload is told apart in one sentence about the upload, not about a file of the node."""
    answer = client.post("/classify", content=make())
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"].startswith("The upload: ")


def test_query_shapes_the_answer(client: httpx.Client) -> None:
    """As many labels as asked for, and only those that reach the threshold."""
    sound = recording("WAV", "PCM_16")
    assert len(client.post("/classify?top_k=3", content=sound).json()["labels"]) == 3
    few = client.post("/classify?threshold=0.3&hop_s=0.5", content=sound).json()["labels"]
    assert all(entry["score"] >= 0.3 for entry in few)
    assert client.post("/classify?hop_s=50", content=sound).status_code == 422
