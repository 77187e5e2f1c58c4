"""Construction of pipelines, and checks of bundles."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from edge.errors import BundleError
from edge.inference.bundle import read_bundle
from edge.pipeline.build import build_pipeline, check_bundle
from edge.settings.tree import Settings
from tests.support.bundles import PARAMS, change_manifest, write_bundle

if TYPE_CHECKING:
    from pathlib import Path

    from edge.inference.bundle import Bundle

NETWORK: Any = object()  # the error must occur before its use


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return read_bundle(write_bundle(tmp_path / "tiny"))


@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 32_000, 48_000])
def test_claps_are_refused_at_another_sample_rate(bundle: Bundle, rate_hz: int) -> None:
    """The clap network needs its own rate; without claps any rate works."""
    other = replace(bundle, params=replace(PARAMS, sample_rate_hz=rate_hz, fmax_hz=rate_hz / 2))
    settings = Settings.model_validate({"claps": {"enabled": True, "sources": ["mic"]}})
    with pytest.raises(
        BundleError, match=rf"needs sound at {rate_hz} Hz, but claps need 16000 Hz; choose another bundle or set"
    ):
        build_pipeline(other, settings, source="mic", clap_network=NETWORK)
    assert build_pipeline(other, settings, source="yard", clap_network=NETWORK).claps is None
    assert build_pipeline(other, settings, source="mic").claps is None


def test_a_bundle_is_checked_for_its_own_task(tmp_path: Path) -> None:
    """An event bundle needs consistent thresholds, a clap bundle its labels and front end."""
    folder = write_bundle(tmp_path / "tiny")
    check_bundle(read_bundle(folder))
    change_manifest(folder, task="claps")
    with pytest.raises(BundleError, match="not a clap network"):
        check_bundle(read_bundle(folder))
