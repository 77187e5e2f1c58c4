"""The jobs behind the commands that put forms of a network side by side, and write the ones that pay."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

from edge.errors import Unavailable
from edge.inference.onnx import OnnxClassifier
from export.commands.bench import bench_table, measure
from export.commands.jobs import say
from export.commands.labelled import LabelledSet, thinned
from export.commands.source import INT8, Source, open_source
from export.commands.timing import side_by_side_ms
from export.commands.verify import compare_forms, forms_table, live_features
from export.graph import tensorrt as trt
from export.graph.fold import folded
from export.graph.int8 import Verdict, calibration_feeds, quantized
from export.graph.onnx import run_onnx, run_torch, session
from export.graph.parity import compare
from training.data.features import open_features
from training.data.manifest import read_manifest
from training.data.material import open_recordings

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from export.commands.labelled import Network
    from training.checkpoint import Checkpoint

_CALIBRATION_CLIPS = 8
"""Clips of each label that set the scales of an 8-bit network."""


def int8(options: argparse.Namespace) -> None:
    """Quantize a checkpoint on training clips; write the result where it is faster here and loses little.

    What it loses is counted on the validation part: the test part stays untouched by choices.
    """
    source = open_source(options.checkpoint)
    parts = _parts(options, _checkpoint(source))
    small = quantized(source.network, _calibration(source, parts["train"]))
    forms = [functools.partial(run_onnx, session(network)) for network in (source.network, small)]
    one = live_features(source.params, streaming=source.streaming)
    held = parts["validation"]
    means = (held.mean_average_precision(held.scores(form, streaming=source.streaming)) for form in forms)
    verdict = Verdict(*side_by_side_ms([functools.partial(form, one) for form in forms]), *means)
    say(str(verdict))
    target = options.out or source.folder / INT8
    if verdict.ships or options.force:
        target.write_bytes(small)
        say(f"{target}: written")
    else:
        if options.out is None:  # one of an older network must not pass for this one's
            target.unlink(missing_ok=True)
        say(f"{target}: not written; --force writes it all the same")


def tensorrt(options: argparse.Namespace) -> None:
    """Build the TensorRT engine of a checkpoint or bundle for this machine's GPU, or find it in the cache."""
    package, gpu = trt.require()
    source = open_source(options.network)
    network = _tensorrt_network(source, options) if options.precision == "int8" else source.network
    path = trt.engine_of(network, source.params, options.precision, options.engines, package=package, gpu=gpu)
    say(f"{path}: {options.precision} engine for {gpu.name} ({gpu.capability}), TensorRT {package.__version__}")


def verify(options: argparse.Namespace) -> None:
    """Put the forms of a network side by side on its golden recording and, with --data, on a labelled set.

    Raises `ValueError` when folding or ONNX changes a probability by more than the limit.
    """
    source = open_source(options.network)
    if options.bundle is not None:
        source = dataclasses.replace(open_source(options.bundle), checkpoint=_checkpoint(source))
    if source.bundle is not None:
        OnnxClassifier(source.bundle)
    forms, absent = _forms(source, options)
    golden = source.golden(options.golden)
    wanted = source.bundle.golden.logits if source.checkpoint is None and source.bundle else forms["torch"](golden)
    one = live_features(source.params, streaming=source.streaming)
    rows = compare_forms(forms, wanted, golden, one, _labelled(source, options), streaming=source.streaming)
    say(forms_table(rows, absent))
    if source.checkpoint is not None:
        parity = compare(source.checkpoint.model, source.network, golden)
        say(str(parity))
        parity.check()


def bench(options: argparse.Namespace) -> None:
    """Print what bundles or checkpoints cost on one thread here, beside the published figures of others."""
    say(bench_table(measure([open_source(path) for path in options.networks])))


def _forms(source: Source, options: argparse.Namespace) -> tuple[dict[str, Network], dict[str, str]]:
    """Return the forms that are there, and why the others are not."""
    forms: dict[str, Network] = {}
    absent: dict[str, str] = {}
    if source.checkpoint is None:
        absent["torch, folded"] = "a bundle holds no PyTorch network: name its checkpoint first"
    else:
        forms["torch"] = functools.partial(run_torch, source.checkpoint.model)
        forms["folded"] = functools.partial(run_torch, folded(source.checkpoint.model))
    forms["ONNX"] = functools.partial(run_onnx, session(source.network))
    if source.int8 is None:
        absent["int8"] = f"no {INT8} in {source.folder}: 'python -m export int8' writes one where it pays"
    else:
        forms["int8"] = functools.partial(run_onnx, session(source.int8))
    for precision in ("fp16", "int8"):
        try:
            forms[f"TensorRT {precision}"] = _engine(source, precision, options).logits
        except Unavailable as exc:
            absent[f"TensorRT {precision}"] = str(exc)
    return forms, absent


def _engine(source: Source, precision: str, options: argparse.Namespace) -> trt.Engine:
    package, gpu = trt.require()
    if precision == "int8" and (source.checkpoint is None or options.data is None):
        msg = "its scales come from training clips: name the checkpoint, and --data"
        raise Unavailable(msg)
    network = _tensorrt_network(source, options) if precision == "int8" else source.network
    path = trt.engine_of(network, source.params, precision, options.engines, package=package, gpu=gpu)
    return trt.Engine(path.read_bytes(), source.params, package)


def _tensorrt_network(source: Source, options: argparse.Namespace) -> bytes:
    clips = _parts(options, _checkpoint(source))["train"]
    return quantized(source.network, _calibration(source, clips), for_tensorrt=True)


def _checkpoint(source: Source) -> Checkpoint:
    if source.checkpoint is None:
        msg = f"{source.folder}: is a bundle; this needs the checkpoint that it was made from"
        raise ValueError(msg)
    return source.checkpoint


def _parts(options: argparse.Namespace, checkpoint: Checkpoint) -> dict[str, LabelledSet]:
    """Return the checkpoint's own division of the recordings."""
    if options.data is None:
        msg = "needs recordings: give the folder with manifest.csv by --data or TOCSIN_DATA"
        raise ValueError(msg)
    have = open_recordings(options.data, options.cache, checkpoint.config, checkpoint.params)
    if have.labels != checkpoint.labels:
        msg = f"{options.data}: the recordings have other labels than the checkpoint ({', '.join(checkpoint.labels)})"
        raise ValueError(msg)
    return {name: LabelledSet(tuple(clips), have.store, have.labels) for name, clips in have.parts.items()}


def _labelled(source: Source, options: argparse.Namespace) -> LabelledSet | None:
    """Return the checkpoint's test part; for a bundle alone all recordings, None without recordings."""
    if options.data is None:
        return None
    if source.checkpoint is not None:
        return _parts(options, source.checkpoint)["test"]
    clips = read_manifest(options.data)
    store = open_features(options.data, clips, options.cache, source.params)
    return LabelledSet(tuple(clip for clip in clips if clip.label), store, source.labels)


def _calibration(source: Source, training: LabelledSet) -> Iterator[dict[str, NDArray[np.float32]]]:
    clips = thinned(training.clips, _CALIBRATION_CLIPS)
    return calibration_feeds(source.network, map(training.store.of, clips), source.params)
