"""The model card of a clap network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from training.report.claps import tabulate_claps, tabulate_others

if TYPE_CHECKING:
    from collections.abc import Mapping

    from training.checkpoint import Checkpoint

_CARD = """# {id} {version}

A network of {parameters:,} parameters that says of an onset, where a short sound begins, whether it is a clap of hands.
It looks at {window_ms:.0f} ms around it, brought to one level. Made on {created} in {steps:,} training steps.

## What it was trained on

{training_data}

Takes of claps: {people}.

Terms: {licence}

## How good it is

An onset is taken for a clap where cheap physics (it decays, and is not dull) does not rule it out and the network
gives it {on:g} or more, as the recipe says. The service then asks for a pattern of them, and what else sounds, so it
answers to far fewer.

Takes that were not used for training. Their claps are not annotated: they are counted where the service's own
detector finds them, except in recordings under half a second, which begin with a clap. *Onsets found* are the claps
with a whole crop, as the service needs it:

{claps}

{others}

{notes}

## Make it again

    python -m training claps --config training/recipes/{name}.toml --data FOLDER --out runs/{name}
    python -m export claps runs/{name}/last.pt --about export/about/{name}.toml --data FOLDER --out edge/models/{name}
"""
_LEFT_OUT = """Recordings without claps that were not used for training: fold {fold} of five, divided by recording and
by uploader. An onset counts where the recording goes on long enough after it:

{table}"""
_NONE_LEFT_OUT = "No recordings without claps were left out of training, so there are no figures of them."


def render_clap_card(manifest: Mapping[str, Any], checkpoint: Checkpoint, notes: str) -> str:
    """Return the card of a clap network's bundle as Markdown."""
    figures = manifest["measured"]["clap"]
    people = checkpoint.config.claps.people
    left_out = _LEFT_OUT.format(fold=figures["fold"], table=tabulate_others(figures).to_markdown())
    return _CARD.format(
        id=manifest["id"],
        version=manifest["version"],
        parameters=sum(weight.numel() for weight in checkpoint.model.parameters()),
        window_ms=1000.0 * checkpoint.params.window_samples / checkpoint.params.sample_rate_hz,
        created=manifest["created"],
        steps=checkpoint.step,
        training_data=manifest["training_data"],
        people=", ".join(f"{which} of `{group}`" for group, which in people.items()),
        licence=manifest["licence"],
        on=figures["on"],
        claps=tabulate_claps(figures).to_markdown(),
        others=left_out if figures["others"] else _NONE_LEFT_OUT,
        notes=notes.strip(),
        name=manifest["id"],
    )
