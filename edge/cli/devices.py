"""`tocsin devices`: the microphones of this machine."""

from __future__ import annotations

import dataclasses

from edge.audio.sources.devices import list_microphones
from edge.cli.common import print_json, print_table, print_text


def print_microphones(*, as_json: bool) -> int:
    """Print the microphones; raises `Unavailable` without PortAudio."""
    found = list_microphones()
    if as_json:
        print_json([dataclasses.asdict(microphone) for microphone in found], indent=2)
    elif not found:
        print_text("no microphone found: plug one in, and see that this user is in the group 'audio'")
    else:
        rows = [
            (f"mic:{m.id}", m.name, str(m.channels), f"{m.rate_hz} Hz", m.host_api, "default" if m.is_default else "")
            for m in found
        ]
        print_table(("source", "name", "channels", "rate", "through", ""), rows)
    return 0
