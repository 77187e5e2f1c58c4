"""The fields of recordings in each public layout."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from edge.errors import DataError, InputMissing
from training.data.imports import LAYOUTS, esc50, folder, fsd50k, urbansound8k
from training.data.imports.recording import make_label

if TYPE_CHECKING:
    from pathlib import Path


def write(path: Path, text: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_urbansound8k(tmp_path: Path) -> None:
    """Slices of one Freesound recording are a group; the published fold is the folder and the fold."""
    header = "slice_file_name,fsID,start,end,salience,fold,classID,class"
    write(
        tmp_path / "UrbanSound8K" / "metadata" / "UrbanSound8K.csv",
        f"{header}\n7-3-0-0.wav,7,0.0,4.0,1,10,3,dog_bark\n7-3-0-1.wav,7,4.0,8.0,1,10,3,dog_bark\n",
    )
    first, second = urbansound8k.list_recordings(tmp_path)
    assert first.path == tmp_path / "UrbanSound8K" / "audio" / "fold10" / "7-3-0-0.wav"
    assert (first.labels, first.fold) == (("dog_bark",), "10")
    assert first.group == second.group == "freesound:7"
    assert "NC" in first.licence


def test_esc50_and_esc10(tmp_path: Path) -> None:
    """ESC-10 is the part of ESC-50 marked in the table, under a freer licence."""
    header = "filename,fold,target,category,esc10,src_file,take"
    rows = "1-9-A-0.wav,1,0,dog,True,9,A\n5-8-A-40.wav,5,40,helicopter,False,8,A\n"
    write(tmp_path / "meta" / "esc50.csv", f"{header}\n{rows}")
    dog, helicopter = esc50.list_recordings(tmp_path)
    assert (dog.path, dog.group, dog.fold) == (tmp_path / "audio" / "1-9-A-0.wav", "freesound:9", "1")
    assert helicopter.licence == "CC BY-NC 3.0"
    assert esc50.list_esc10_recordings(tmp_path) == [dog]


def test_fsd50k(tmp_path: Path) -> None:
    """A clip has all of its labels; its uploader and licence are in another file, if that is there."""
    write(tmp_path / "FSD50K.ground_truth" / "dev.csv", 'fname,labels,mids,split\n1,"Guitar,Music",/m/1,val\n')
    write(tmp_path / "FSD50K.ground_truth" / "eval.csv", "fname,labels,mids\n2,Bark,/m/2\n")
    about = {"1": {"title": "t", "license": "CC0", "uploader": "ann"}}
    write(tmp_path / "FSD50K.metadata" / "dev_clips_info_FSD50K.json", json.dumps(about))
    dev, evaluation = fsd50k.list_recordings(tmp_path)
    assert (dev.labels, dev.fold, dev.uploader, dev.licence) == (("Guitar", "Music"), "val", "ann", "CC0")
    assert dev.path == tmp_path / "FSD50K.dev_audio" / "1.wav"
    assert (evaluation.fold, evaluation.uploader) == ("eval", "")
    assert evaluation.path == tmp_path / "FSD50K.eval_audio" / "2.wav"


def test_a_folder_a_label(tmp_path: Path) -> None:
    """A file is a recording; a folder below the label is one recording; text and hidden files are ignored."""
    for name in (
        "door/1.wav",
        "door/1.FLAC",
        "door/hall/a.ogg",
        "door/hall/b.m4a",
        "tap/.1.wav",
        "tap/list.txt",
        "x.wav",
    ):
        write(tmp_path / name)
    found = {recording.name: recording for recording in folder.list_recordings(tmp_path)}
    assert set(found) == {"door/1.wav", "door/1.FLAC", "door/hall/a.ogg", "door/hall/b.m4a", "x.wav"}
    assert found["door/1.wav"].group == found["door/1.FLAC"].group == f"{tmp_path.name}:door/1"
    assert found["door/hall/a.ogg"].group == found["door/hall/b.m4a"].group == f"{tmp_path.name}:door/hall"
    assert found["door/1.wav"].labels == found["door/hall/a.ogg"].labels == ("door",)
    assert found["x.wav"].labels == ()


@pytest.mark.parametrize("layout", ["urbansound8k", "esc50", "esc10", "fsd50k"])
def test_another_folder_is_not_taken_for_the_corpus(tmp_path: Path, layout: str) -> None:
    """The message has the folder and the missing part."""
    with pytest.raises(InputMissing, match="name the folder of that corpus"):
        LAYOUTS[layout].read(tmp_path)


def test_a_folder_without_labels_is_refused(tmp_path: Path) -> None:
    """Files without a folder of their label teach nothing."""
    write(tmp_path / "x.wav")
    with pytest.raises(DataError, match=r"as in .*/door/1\.wav"):
        folder.list_recordings(tmp_path)
    with pytest.raises(InputMissing, match="not a folder"):
        folder.list_recordings(tmp_path / "x.wav")


def test_a_table_without_its_columns_is_refused(tmp_path: Path) -> None:
    """The message names the table and the column."""
    write(tmp_path / "meta" / "esc50.csv", "filename,fold\na.wav,1\n")
    with pytest.raises(DataError, match=r"esc50\.csv: column category, esc10, src_file is missing"):
        esc50.list_recordings(tmp_path)


@pytest.mark.parametrize(
    ("text", "label"),
    [("Door bell", "door_bell"), ("Tür", "tur"), ("Gunshot_and_gunfire", "gunshot_and_gunfire"), ("(a)/b+#", "a_b")],
)
def test_labels_are_plain(text: str, label: str) -> None:
    """Labels are parts of topics and keys, so nothing but letters, digits and underscores is left."""
    assert make_label(text) == label


def test_a_name_without_latin_letters_is_no_label() -> None:
    """It could not be part of a topic."""
    with pytest.raises(DataError, match="rename it"):
        make_label("дверь")
