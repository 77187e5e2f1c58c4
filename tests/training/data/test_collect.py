"""Import of recordings of any kind into a manifest with sounds."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from edge.errors import DataError
from edge.frontend.params import FrontEndParams
from training.commands.import_ import summarize
from training.data.features import load_audio, open_features
from training.data.imports.collect import import_corpus
from training.data.imports.cut import RATE_HZ
from training.data.imports.recording import Recording
from training.data.manifest import read_manifest

if TYPE_CHECKING:
    from pathlib import Path


def tone(path: Path, length_s: float = 0.5, rate_hz: int = RATE_HZ, channels: int = 1, hz: float = 440.0) -> Path:
    """Write a tone; its kind follows from the file's suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    wave = 0.3 * np.sin(2 * np.pi * hz * np.arange(round(length_s * rate_hz)) / rate_hz)
    soundfile.write(path, np.repeat(wave[:, None], channels, axis=1), rate_hz)
    return path


def recording(path: Path, *labels: str, **more: str) -> Recording:
    """Return a recording with these labels."""
    values = {"name": path.name, "group": path.stem, "origin": str(path.parent), "licence": "CC0", **more}
    return Recording(path, labels=labels, **values)


def read_rows(out: Path) -> list[dict[str, str]]:
    with (out / "manifest.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def list_sounds(out: Path) -> set[str]:
    return {path.relative_to(out).as_posix() for path in out.rglob("*.flac")}


def cut_half(path: Path) -> bytes:
    data = path.read_bytes()
    return data[: len(data) // 2]


def test_a_long_recording_is_cut_and_stays_one_group(tmp_path: Path) -> None:
    """25.5 s of 44.1 kHz stereo are three parts of 16 kHz mono that follow each other without a seam."""
    path = tone(tmp_path / "in" / "long.wav", 25.5, 44_100, 2)
    import_corpus("c", [recording(path, "hum")], tmp_path / "out", {})
    rows = read_rows(tmp_path / "out")
    assert [(row["part"], float(row["duration_s"]), row["rate"], row["group"]) for row in rows] == [
        ("0", 10.0, "44100", "long"),
        ("1", 10.0, "44100", "long"),
        ("2", 5.5, "44100", "long"),
    ]
    parts = [soundfile.read(tmp_path / "out" / row["file"]) for row in rows]
    assert {rate for _, rate in parts} == {RATE_HZ}
    whole = np.concatenate([samples for samples, _ in parts])
    wanted = 0.3 * np.sin(2 * np.pi * 440 * np.arange(len(whole)) / RATE_HZ)
    assert np.abs(whole - wanted)[400:-400].max() < 2e-3


def test_a_short_rest_stays_with_the_part_before(tmp_path: Path) -> None:
    """Half a second is too short for a part of its own."""
    import_corpus("c", [recording(tone(tmp_path / "in" / "a.wav", 10.5), "hum")], tmp_path / "out", {})
    assert [row["duration_s"] for row in read_rows(tmp_path / "out")] == ["10.500"]


def test_what_cannot_be_used_is_named_and_skipped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Silence, empty files, text, samples that are not numbers, a missing file: a line each, and a count."""
    folder = tmp_path / "in"
    good = tone(folder / "good.wav")
    soundfile.write(folder / "silent.wav", np.zeros(RATE_HZ), RATE_HZ)
    soundfile.write(folder / "empty.wav", np.zeros(0), RATE_HZ)
    soundfile.write(folder / "short.wav", np.ones(100) * 0.1, RATE_HZ)
    soundfile.write(folder / "nan.wav", np.full(RATE_HZ, np.nan), RATE_HZ, subtype="FLOAT")
    (folder / "text.wav").write_text("not audio", encoding="utf-8")
    (folder / "half.aiff").write_bytes(cut_half(tone(folder / "whole.aiff")))
    reasons = {
        "silent.wav": "it is silent",
        "empty.wav": "holds no sound",
        "short.wav": "shorter than 50 ms",
        "nan.wav": "its sample at 0.0 s is not a number",
        "text.wav": "the file is not in a known audio format",
        "half.aiff": "the file is cut off: it holds 49% of what its header promises",
        "lost.wav": "no such file",
    }
    recordings = [recording(good, "hum"), *(recording(folder / name, "hum") for name in reasons)]
    imported = import_corpus("c", recordings, tmp_path / "out", {})
    said = capsys.readouterr().err.splitlines()
    assert imported.skipped == len(reasons)
    for name, reason in reasons.items():
        assert any(line.startswith(str(folder / name)) and reason in line for line in said), name
    assert len(read_rows(tmp_path / "out")) == len(list_sounds(tmp_path / "out")) == 1


def test_a_recording_that_breaks_off_leaves_no_part(tmp_path: Path) -> None:
    """Parts that were written before the fault was met are taken back."""
    folder = tmp_path / "in"
    samples = np.full(25 * RATE_HZ, 0.1)
    samples[24 * RATE_HZ :] = np.nan
    folder.mkdir()
    soundfile.write(folder / "late.wav", samples, RATE_HZ, subtype="FLOAT")
    recordings = [recording(folder / "late.wav", "hum"), recording(tone(folder / "good.wav"), "hum")]
    import_corpus("c", recordings, tmp_path / "out", {})
    assert len(list_sounds(tmp_path / "out")) == 1


def test_a_silent_part_is_left_out(tmp_path: Path) -> None:
    """Ten seconds of nothing in a long recording would be labelled wrong."""
    path = tmp_path / "late.wav"
    soundfile.write(path, np.concatenate((np.zeros(10 * RATE_HZ), np.full(5 * RATE_HZ, 0.1))), RATE_HZ)
    import_corpus("c", [recording(path, "hum")], tmp_path / "out", {})
    assert [row["part"] for row in read_rows(tmp_path / "out")] == ["1"]


def test_nothing_left_is_an_error(tmp_path: Path) -> None:
    """No manifest is written if all recordings are unusable or unwanted."""
    good = tone(tmp_path / "in" / "a.wav")
    with pytest.raises(DataError, match="1 recordings cannot be used"):
        import_corpus("c", [recording(tmp_path / "in" / "lost.wav", "hum")], tmp_path / "out", {})
    with pytest.raises(DataError, match="1 are of classes that are not asked for"):
        import_corpus("c", [recording(good, "hum")], tmp_path / "out", {"siren": "siren"})
    assert not (tmp_path / "out" / "manifest.csv").exists()


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A missing folder of a corpus is reported once."""
    lost = [recording(tmp_path / "fold2" / f"{number}.wav", "hum") for number in range(5)]
    imported = import_corpus("c", [recording(tone(tmp_path / "fold1" / "a.wav"), "hum"), *lost], tmp_path / "out", {})
    assert capsys.readouterr().err.count("fold2: is not there; the 5 recordings in it are left out") == 1
    assert imported.skipped == 5


def test_importing_twice_changes_nothing_and_cuts_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second time everything is there already."""
    recordings = [recording(tone(tmp_path / "in" / f"{n}.wav", 12.0), "hum", name=f"{n}") for n in range(2)]
    import_corpus("c", recordings, tmp_path / "out", {})
    before = (tmp_path / "out" / "manifest.csv").read_bytes(), list_sounds(tmp_path / "out")
    monkeypatch.setattr("training.data.imports.clip_folder.read_parts", lambda _: pytest.fail("cut again"))
    import_corpus("c", recordings, tmp_path / "out", {})
    assert ((tmp_path / "out" / "manifest.csv").read_bytes(), list_sounds(tmp_path / "out")) == before


def test_what_changed_is_cut_again_under_another_name(tmp_path: Path) -> None:
    """A changed recording replaces the old one, also in the cache of features; a removed one is deleted."""
    one, two = tone(tmp_path / "in" / "1.wav"), tone(tmp_path / "in" / "2.wav")
    out, params = tmp_path / "out", FrontEndParams()
    import_corpus("c", [recording(one, "hum"), recording(two, "hum")], out, {})
    open_features(out, read_manifest(out), tmp_path / "cache", params)
    tone(one, hz=2000.0)
    import_corpus("c", [recording(one, "hum")], out, {})
    clips = read_manifest(out)
    store = open_features(out, clips, tmp_path / "cache", params)
    assert list_sounds(out) == {clip.file for clip in clips}
    assert len(clips) == 1
    peak_hz = np.abs(np.fft.rfft(load_audio(out / clips[0].file, RATE_HZ))).argmax() * 2
    assert peak_hz == 2000
    assert len(store.offsets) == 2


def test_several_corpora_make_one_manifest(tmp_path: Path) -> None:
    """Each import replaces its own rows, where they are, and leaves the others alone."""
    one, two = (recording(tone(tmp_path / name / "a.wav"), "hum") for name in ("one", "two"))
    for corpus, each in (("one", one), ("two", two), ("one", one)):
        import_corpus(corpus, [each], tmp_path / "out", {})
    rows = read_rows(tmp_path / "out")
    assert [row["corpus"] for row in rows] == ["one", "two"]
    assert len({row["file"] for row in rows} & list_sounds(tmp_path / "out")) == 2


def test_another_corpus_of_the_same_name_is_refused(tmp_path: Path) -> None:
    """Two folders called `recordings` do not replace each other."""
    import_corpus("recordings", [recording(tone(tmp_path / "one" / "a.wav"), "hum")], tmp_path / "out", {})
    with pytest.raises(DataError, match="name this one by --corpus"):
        import_corpus("recordings", [recording(tone(tmp_path / "two" / "a.wav"), "hum")], tmp_path / "out", {})


def test_no_two_recordings_share_a_name(tmp_path: Path) -> None:
    """Files that are called alike, also with the same bytes, lie side by side."""
    paths = [tone(tmp_path / folder / "a.wav") for folder in ("x", "y", "z")]
    recordings = [recording(path, "hum", name=f"{path.parent.name}/a.wav", origin="o") for path in paths]
    import_corpus("c", recordings, tmp_path / "out", {})
    assert len(list_sounds(tmp_path / "out")) == 3


def test_classes_are_mapped_and_the_rest_is_counted(tmp_path: Path) -> None:
    """All labels of a clip are mapped; recordings of other classes are counted, not imported."""
    path = tone(tmp_path / "a.wav")
    recordings = [recording(path, "Police", "Car", name="1"), recording(path, "Bird", name="2")]
    imported = import_corpus("c", recordings, tmp_path / "out", {"police": "siren", "car": "traffic"})
    (row,) = read_rows(tmp_path / "out")
    assert (row["class"], row["fine"]) == ("siren;traffic", "Police;Car")
    assert imported.dropped == {"bird": 1}
    assert "does not name: bird (1)" in summarize(imported)
    assert "too few: siren, traffic" in summarize(imported)


def test_two_names_of_one_label_are_refused(tmp_path: Path) -> None:
    """`Door` and `door` would silently become one label."""
    path = tone(tmp_path / "a.wav")
    with pytest.raises(DataError, match="'Door' and 'door' would both become the label 'door'"):
        import_corpus("c", [recording(path, "Door"), recording(path, "door")], tmp_path / "out", {})
