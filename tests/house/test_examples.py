"""The configuration that the README shows."""

from __future__ import annotations

import re
from pathlib import Path

from edge.settings.load import load_settings

README = Path(__file__).parents[2] / "README.md"


def test_the_configuration_in_the_readme_loads(tmp_path: Path) -> None:
    """All of its blocks together, as one of them names an action of another."""
    blocks = re.findall(r"```toml\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    file = tmp_path / "tocsin.toml"
    file.write_text("\n".join(blocks), encoding="utf-8")
    settings = load_settings(file, environ={})
    assert settings.claps.patterns["double"].actions == ("lamp",)
    assert settings.away.actions == ("note",)
