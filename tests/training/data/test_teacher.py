"""Teachers from files: probabilities and logits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from edge.errors import DataError
from training.data.teacher import read_logits, read_teacher

if TYPE_CHECKING:
    from pathlib import Path


def test_a_teacher_of_other_clips_or_labels_is_refused(tmp_path: Path) -> None:
    """A teacher must have every label and scores of every clip."""
    path = tmp_path / "t.npz"
    np.savez(path, scores=np.zeros((2, 1), np.uint8), offsets=np.array([0, 1, 2]), labels=np.array(["clap"]))
    assert read_teacher(path, ["clap"], 2).scores.shape == (2, 1)
    with pytest.raises(DataError, match="does not know rain"):
        read_teacher(path, ["clap", "rain"], 2)
    with pytest.raises(DataError, match="3"):
        read_teacher(path, ["clap"], 3)


@pytest.mark.parametrize("kind", ["text", "array", "other", "cut"])
def test_another_file_is_no_teacher(kind: str, tmp_path: Path) -> None:
    """The message names the file, for any content."""
    path = tmp_path / "t.npz"
    whole = {"scores": np.zeros((2, 1), np.uint8), "offsets": np.array([0, 1, 2]), "labels": np.array(["clap"])}
    with path.open("wb") as file:
        if kind == "text":
            file.write(b"PK no archive")
        elif kind == "array":
            np.save(file, np.zeros(3))
        else:
            part: dict[str, Any] = {"scores": whole["scores"]}
            np.savez(file, **(part if kind == "other" else whole | {"scores": np.zeros((1, 1))}))
    for read in (lambda: read_teacher(path, ["clap"], 2), lambda: read_logits(path, 2)):
        with pytest.raises(DataError, match=r"t\.npz: (the file is not a teacher|'offsets' end at 2)"):
            read()


def test_logits_are_standardised_class_by_class(tmp_path: Path) -> None:
    """Each class of the public network gets mean 0 and variance 1; a constant class stays finite."""
    scores = np.random.default_rng(1).integers(0, 255, (500, 2)).astype(np.uint8)
    path = tmp_path / "scores.npz"
    np.savez(path, scores=np.column_stack((scores, np.full(500, 7, np.uint8))), offsets=np.array([0, 500]))
    logits = read_logits(path, 1).logits.float()
    assert torch.allclose(logits.mean(dim=0), torch.zeros(3), atol=1e-2)
    assert torch.allclose(logits.std(dim=0), torch.tensor([1.0, 1.0, 0.0]), atol=1e-2)
    with pytest.raises(DataError, match="has scores of 1 clips, but the manifest has 2"):
        read_logits(path, 2)
