"""What several commands share: settings, the classifier, output and log."""

from __future__ import annotations

import itertools
import logging
import os
import re
import socket
import sys
import time
from typing import TYPE_CHECKING, Any

from edge.cli.installed import credential_file, service_environ
from edge.cli.terminal import one_line, to_json, write_line
from edge.errors import UsageError
from edge.settings.load import load_settings, state_dir
from edge.settings.profiles import replace_sources
from edge.settings.secrets import secret

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence
    from pathlib import Path

    from pydantic import SecretStr

    from edge.inference.onnx import OnnxClassifier
    from edge.settings.tree import Logging, Settings, Source

_NAMED = re.compile(r"([a-z0-9_-]+)=(.+)", re.DOTALL)


def say(text: str = "") -> None:
    """Print text, at once for whoever reads a pipe; whatever is in it, it does not steer the terminal."""
    write_line("\n".join(map(one_line, text.split("\n"))))


def warn(text: str) -> None:
    """Print a line about what went wrong."""
    print(f"tocsin: {one_line(text)}", file=sys.stderr, flush=True)  # noqa: T201 - the command's voice


def say_json(value: Any, *, indent: int | None = None) -> None:  # noqa: ANN401 - any JSON value
    """Print a JSON value, by default on one line."""
    write_line(to_json(value, sys.stdout.encoding, indent=indent))


def say_table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print aligned columns, the same on a terminal and in a pipe."""
    lines = [tuple(headers), *(tuple(map(_cell, row)) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        say("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _cell(text: str) -> str:
    """Return a cell as it will be written, so that its width is known."""
    encoding = sys.stdout.encoding or "ascii"
    return one_line(text).encode(encoding, "backslashreplace").decode(encoding)


def settings_of(config: Path | None, sources: Sequence[str] = ()) -> Settings:
    """Return the effective settings; `sources`, each ``[NAME=]SPEC``, replace the configured ones."""
    settings = load_settings(config, environ=os.environ)
    return replace_sources(settings, sources_of(sources)) if sources else settings


def sources_of(texts: Sequence[str]) -> tuple[Source, ...]:
    """Return sources from ``[NAME=]SPEC``; what has no name is called by its kind. Raises `UsageError`."""
    from pydantic import ValidationError

    from edge.settings.section import SLUG_RULE
    from edge.settings.source_spec import clash, parse_source
    from edge.settings.tree import Source

    sources: dict[str, Source] = {}
    for text in texts:
        named = _NAMED.fullmatch(text)
        spec = named.group(2) if named else text
        parsed = parse_source(spec)
        name = named.group(1) if named else _free_name(spec.partition(":")[0].lower(), sources)
        if name in sources:
            msg = f"two sources are called {name}"
            raise UsageError(msg, where="--source", remedy=f"give each its own name, as in --source {name}2={spec}")
        if why := next(filter(None, (clash(parsed, parse_source(s.spec)) for s in sources.values())), None):
            raise UsageError(why, where=f"--source {parsed.masked}")
        try:
            source = Source(name=name)
        except ValidationError as exc:
            msg = f"the name must be {SLUG_RULE}"
            raise UsageError(msg, where=f"--source {name}") from exc
        # Unlike a configuration, a command line can name every file that there is: of no UTF-8, with a line break.
        sources[name] = source.model_copy(update={"spec": spec})
    return tuple(sources.values())


def _free_name(kind: str, taken: Container[str]) -> str:
    names = (kind if n == 1 else f"{kind}-{n}" for n in itertools.count(1))
    return next(name for name in names if name not in taken)


def folder_of(settings: Settings) -> Path:
    """Return the state folder that a command looks after: of the service where one is installed, else one's own."""
    return state_dir(settings, environ=service_environ(os.environ))


def own_folder_of(settings: Settings) -> Path:
    """Return the state folder of a node that is run here and now."""
    return state_dir(settings, environ=os.environ)


def models_folder_of(settings: Settings) -> Path:
    """Return the state folder whose bundles a command uses: one's own where those of the service may not be read."""
    folder = folder_of(settings)
    return folder if may_read(folder) else own_folder_of(settings)


def may_read(folder: Path) -> bool:
    """Return whether a folder can be looked into, or is not there at all."""
    return os.access(folder, os.R_OK | os.X_OK) or not os.path.lexists(folder)


def secret_of(value: SecretStr | None, file: Path | None, credential: str) -> str | None:
    """Return a secret as `edge.settings.secrets.secret` does, and as the service has it where one is installed."""
    if file is None and "CREDENTIALS_DIRECTORY" not in os.environ:
        file = credential_file(credential)
    return secret(value, file, credential)


def node_name(settings: Settings) -> str:
    """Return the node's name in topics and messages."""
    from edge.publish.topics import slug

    return settings.node.id or slug(socket.gethostname())


def classifier_of(settings: Settings) -> OnnxClassifier:
    """Return the network that the settings and the library choose, ready to run."""
    return model_of(settings)[0]


def model_of(settings: Settings) -> tuple[OnnxClassifier, Settings]:
    """Return the network that the settings and the library choose, and the settings that fit it if it is another."""
    from edge.inference.library import Library
    from edge.inference.load import load_classifier
    from edge.pipeline.build import check_bundle
    from edge.pipeline.fitting import fitting

    model = settings.model
    candidates = Library(models_folder_of(settings)).resolve(model.bundle)
    classifier = load_classifier(
        candidates,
        check=check_bundle,
        provider=model.provider,
        threads=model.threads,
        cache_dir=model.cache_dir or own_folder_of(settings) / "tensorrt",  # the service could not write what root made
    )
    replaced = classifier.bundle.path != candidates[0]
    return classifier, fitting(settings, classifier.bundle) if replaced else settings


def clap_network_of(settings: Settings) -> OnnxClassifier | None:
    """Return the clap network, ready to run, where the settings listen for claps."""
    from edge.inference.library import Library
    from edge.pipeline.build import load_clap_network

    return load_clap_network(settings, Library(models_folder_of(settings)))


def log_plainly() -> None:
    """Show warnings of a one-shot command as its own words."""
    _log_to(logging.StreamHandler(), "warning", _LineFormatter("tocsin: %(message)s"))


def log_as(settings: Logging, handler: logging.Handler | None = None, *, events: bool = True) -> None:
    """Set up the log of a service, on standard error; without `events` where they are shown in another way."""
    from edge.node.eventlog import LOGGER

    journal = "JOURNAL_STREAM" in os.environ  # the journal adds the time itself
    text = "%(levelname)s %(name)s: %(message)s" if journal else "%(asctime)s %(levelname)s %(name)s: %(message)s"
    formatter = _JsonFormatter() if settings.format == "json" else _LineFormatter(text)
    handler = handler or logging.StreamHandler()
    if not events:
        handler.addFilter(lambda record: record.name != LOGGER)
    _log_to(handler, settings.level, formatter)


def _log_to(handler: logging.Handler, level: str, formatter: logging.Formatter) -> None:
    formatter.default_msec_format = "%s.%03d"
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("tocsin").setLevel(level.upper())


class _LineFormatter(logging.Formatter):
    """A record a line, whatever names or messages from outside are in it; a traceback keeps its own lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - as the base class
        """Return the record's line."""
        return one_line(super().formatMessage(record))


class _JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's line."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {
            "time": f"{stamp}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return to_json(line, sys.stderr.encoding)
