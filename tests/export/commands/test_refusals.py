"""Errors of the commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from edge.errors import ConfigError, DataError
from edge.frontend.params import FrontEndParams
from export.__main__ import main
from export.bundle.about import read_about
from export.bundle.golden import compute_golden_features, cut_golden_waveform
from tests.support.networks import make_small_checkpoint
from training.checkpoint import save_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

PARAMS = FrontEndParams()


def test_a_file_that_is_no_checkpoint_is_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Other bytes than a checkpoint's: status 65 and the file's name."""
    (tmp_path / "x.pt").write_bytes(b"not a checkpoint")
    assert main(["onnx", str(tmp_path / "x.pt"), str(tmp_path / "x.onnx")]) == 65
    assert "x.pt: the file is not a checkpoint" in capsys.readouterr().err


def test_a_missing_checkpoint_is_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No file: status 66 and the file's name."""
    assert main(["onnx", str(tmp_path / "none.pt"), str(tmp_path / "x.onnx")]) == 66
    assert "none.pt" in capsys.readouterr().err


def test_an_incomplete_about_file_is_refused(tmp_path: Path) -> None:
    """A bundle without its licence note is not written."""
    about = tmp_path / "about.toml"
    about.write_text('id = "x"\nversion = "1"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="licence"):
        read_about(about, tmp_path)


@pytest.mark.parametrize("name", ["my home", "../home", ".home", "h" * 65])
def test_a_name_that_a_device_would_refuse_is_refused_before_all_work(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not after an hour of measuring."""
    save_checkpoint(tmp_path / "last.pt", make_small_checkpoint("window"))
    where = ["--data", str(tmp_path / "absent"), "--out", str(tmp_path / "out")]
    assert main(["bundle", str(tmp_path / "last.pt"), "--id", name, *where]) == 64
    assert f"{name!r} cannot be the id of a bundle" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_golden_waveform_is_the_loudest_part(tmp_path: Path) -> None:
    """Of a long recording the loudest six seconds are taken, as 16-bit values."""
    rate = PARAMS.sample_rate_hz
    samples = np.full(20 * rate, 0.001)
    samples[11 * rate : 13 * rate] = 0.5
    soundfile.write(tmp_path / "long.wav", samples, rate)
    waveform = cut_golden_waveform(tmp_path / "long.wav", rate)
    assert waveform.shape == (6 * rate,)
    assert np.sum(waveform > 0.4) == 2 * rate
    assert np.array_equal(waveform * 32768, np.round(waveform * 32768))


def test_golden_windows_begin_at_every_decision() -> None:
    """Windows follow each other as the service's do."""
    mel, windows = compute_golden_features(np.random.default_rng(1).normal(0, 0.1, 64_000).astype(np.float32), PARAMS)
    assert np.array_equal(windows[3], mel[24 : 24 + 96])
    assert len(windows) == (len(mel) - 96) // 8 + 1


def test_a_golden_recording_shorter_than_a_window_is_refused() -> None:
    """There is nothing to replay in it."""
    with pytest.raises(DataError, match="longer than"):
        compute_golden_features(np.zeros(1000, np.float32), PARAMS)
