"""`tocsin bench`: speed of this machine on `model.threads` cores."""

from __future__ import annotations

import functools
import os
import platform
import statistics
import time
from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile as sf

from edge.cli.common import (
    load_event_classifier,
    print_json,
    print_table,
    print_text,
    read_settings,
    set_up_command_log,
)
from edge.data import street_path
from edge.frontend.mel import log_mel
from edge.types import MelWindow, NetworkState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edge.frontend.params import FrontEndParams
    from edge.inference.onnx import OnnxClassifier
    from edge.settings.tree import Settings

_BATCHES = (1, 8, 32, 64)
_RECORDING_WINDOWS = 32
"""Windows of one stream in a batch when a recording is classified: four seconds."""
_FIGURE_S = 0.6
"""Seconds spent on each figure."""


def run_bench(config: Path | None, *, as_json: bool) -> int:
    """Measure and print the figures."""
    set_up_command_log()
    settings = read_settings(config)
    begin = time.perf_counter()
    classifier = load_event_classifier(settings)
    loaded_s = time.perf_counter() - begin
    figures = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "model": f"{classifier.bundle.id}@{classifier.bundle.version}",
        "network": classifier.bundle.network,
        "provider": classifier.provider,
        "threads": settings.model.threads,
        "load_s": round(loaded_s, 3),
        **measure(classifier, settings),
        "rss_mb": round(_read_rss_bytes() / 2**20, 1),
    }
    if as_json:
        print_json(figures, indent=2)
        return 0
    print_text(
        f"{figures['machine']}; model {figures['model']} on {figures['provider']}, loaded in {figures['load_s']} s"
    )
    rows = [(str(b["batch"]), f"{b['ms_per_window']:.3f}", f"{b['windows_per_s']:.0f}") for b in figures["inference"]]
    print_table(("batch", "ms per window", "windows per second"), rows)
    live, clip = figures["ms_per_audio_second"], figures["ms_per_clip_second"]
    print_text(
        f"network      {live:.3f} ms per second of one live stream, {clip:.3f} in a recording; {figures['network']}"
    )
    print_text(f"front end    {figures['frontend_ms_per_s']:.3f} ms per second of sound")
    print_text(f"whole line   {figures['realtime_factor']:.0f} times real time, decoding included")
    print_text(f"memory       {figures['rss_mb']:.0f} MiB resident")
    return 0


def measure(classifier: OnnxClassifier, settings: Settings) -> dict[str, Any]:
    """Measure the stages, and the whole pipeline on the street scene."""
    from edge.pipeline.replay import replay

    bundle = classifier.bundle
    params = bundle.params
    sound = np.resize(bundle.golden.waveform, 10 * params.sample_rate_hz)
    features = log_mel(sound, params)[: params.window_frames]
    batches = []
    for size in _BATCHES:
        states = [NetworkState() for _ in range(size)]
        seconds = time_job(functools.partial(classifier.score, _make_windows(features, params, states)))
        batches.append(
            {"batch": size, "ms_per_window": round(1e3 * seconds / size, 4), "windows_per_s": round(size / seconds, 1)}
        )
    clip_s = time_job(
        functools.partial(classifier.score, _make_windows(features, params, [NetworkState()] * _RECORDING_WINDOWS))
    )
    begin = time.perf_counter()
    deque(replay(street_path(), classifier, settings, node="bench"), maxlen=0)
    elapsed_s = time.perf_counter() - begin
    decisions_per_s = params.frames_per_s / params.decision_frames
    return {
        "inference": batches,
        "ms_per_audio_second": round(batches[0]["ms_per_window"] * decisions_per_s, 4),
        "ms_per_clip_second": round(1e3 * clip_s / _RECORDING_WINDOWS * decisions_per_s, 4),
        "frontend_ms_per_s": round(1e2 * time_job(lambda: log_mel(sound, params)), 3),
        "realtime_factor": round(sf.info(street_path()).duration / elapsed_s, 1),
    }


def _make_windows(
    features: NDArray[np.float32], params: FrontEndParams, states: Sequence[NetworkState]
) -> list[MelWindow]:
    """Return a window for each state.

    A streaming network that scores them repeatedly continues from the states, as it does live.
    """
    step = params.decision_frames
    return [MelWindow(features, 0, 0, gap=False, new_frames=step, state=state) for state in states]


def time_job(job: Callable[[], object]) -> float:
    """Return the median duration of a job in seconds, without its first run."""
    job()
    times: list[float] = []
    until = time.perf_counter() + _FIGURE_S
    while time.perf_counter() < until:
        begin = time.perf_counter()
        job()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def _read_rss_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - not a file of the node
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
