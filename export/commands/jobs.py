"""The jobs behind the commands that write something to run: bundles, and networks alone."""

from __future__ import annotations

import dataclasses
import re
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from edge.inference.bundle import CLAPS
from edge.inference.load import verify_bundle
from edge.inference.manifest import NAME
from edge.pipeline.build import check_bundle
from export.bundle.bundle import About, write_bundle
from export.bundle.clapcard import clap_card
from export.bundle.clapcrops import graded_claps
from export.bundle.proof import read_proof
from export.graph.fold import folded
from export.graph.onnx import to_onnx
from export.graph.parity import compare
from training.checkpoint import load_checkpoint
from training.commands.jobs import measure, measure_claps
from training.data.clap_takes import CLAP
from training.measure.calibration import Calibration
from training.measure.evaluation import Evaluation

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

_ABOUT_KEYS = {"id", "version", "training_data", "licence", "notes"}


def read_about(path: Path, golden: Path) -> About:
    """Read what a person says about a bundle; raises `ValueError` for another file."""
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
    except tomllib.TOMLDecodeError as exc:
        msg = f"{path}: not TOML: {exc}"
        raise ValueError(msg) from exc
    if set(values) != _ABOUT_KEYS:
        msg = f"{path}: expected the keys {', '.join(sorted(_ABOUT_KEYS))}"
        raise ValueError(msg)
    return About(**{key: str(value).strip() for key, value in values.items()}, golden=golden)


def bundle(options: argparse.Namespace) -> None:
    """Calibrate and measure a checkpoint, write its bundle, and open it as a device does."""
    checkpoint = load_checkpoint(options.checkpoint)
    about = _about(options)
    if options.proof:
        about = dataclasses.replace(about, notes=f"{read_proof(options.proof)}\n\n{about.notes}")
    evaluation = measure(options.data, options.cache, checkpoint)
    say(str(write_bundle(checkpoint, evaluation, about, options.out)))
    verify_bundle(options.out, check=check_bundle)
    say(f"{options.out}: written and verified")


def claps(options: argparse.Namespace) -> None:
    """Measure a clap network, write its bundle, and open it as a device does.

    Its logits are taken as they are, and it is believed from the probability that its recipe set.
    """
    checkpoint = load_checkpoint(options.checkpoint)
    about = _about(options)
    figures = measure_claps(options.data, checkpoint)
    as_it_is = Calibration(scale=np.ones(1), bias=np.zeros(1))
    evaluation = Evaluation(as_it_is, {CLAP: {"on": checkpoint.config.claps.on}}, {CLAP: figures})
    say(str(write_bundle(checkpoint, evaluation, about, options.out, task=CLAPS, card=clap_card)))
    opened = verify_bundle(options.out, CLAPS, check=check_bundle)
    # The golden recording holds no clap, so nothing in it would show a difference where it counts.
    parity = compare(checkpoint.model, opened.model_path, graded_claps())
    say(f"on claps: {parity}")
    parity.check()
    say(f"{options.out}: written and verified")


def onnx(options: argparse.Namespace) -> None:
    """Write the folded network of a checkpoint as ONNX."""
    checkpoint = load_checkpoint(options.checkpoint)
    options.out.write_bytes(to_onnx(folded(checkpoint.model), checkpoint.params))


def say(line: str) -> None:
    """Print a line of a command's answer."""
    print(line)  # noqa: T201 - a command answers


def _about(options: argparse.Namespace) -> About:
    """Return what is said about a bundle; raises `ValueError` for a name that a device would refuse."""
    if options.about is not None:
        about = read_about(options.about, options.golden)
    else:
        about = About(options.id or options.out.resolve().name, options.golden)
    for what, name in (("id", about.id), ("version", about.version)):
        if not re.fullmatch(NAME, name):
            msg = f"{name!r} cannot be the {what} of a bundle: letters, digits and . _ - alone; see --id and --about"
            raise ValueError(msg)
    return about
