"""Shared parts of the commands: settings, classifier, output and log."""

from __future__ import annotations

import itertools
import logging
import os
import re
import socket
import sys
import time
from typing import TYPE_CHECKING, Any

from edge.cli.installed import add_state_folder, find_credential_file
from edge.cli.terminal import encode_json, escape_line, write_line
from edge.errors import UsageError
from edge.settings.load import find_state_dir, load_settings
from edge.settings.profiles import replace_sources
from edge.settings.secrets import read_secret

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence
    from pathlib import Path

    from pydantic import SecretStr

    from edge.inference.onnx import OnnxClassifier
    from edge.settings.tree import Logging, Settings, Source

_NAMED = re.compile(r"([a-z0-9_-]+)=(.+)", re.DOTALL)


def print_text(text: str = "") -> None:
    """Print text at once, without control characters for the terminal."""
    write_line("\n".join(map(escape_line, text.split("\n"))))


def warn(text: str) -> None:
    """Print a warning to standard error."""
    print(f"tocsin: {escape_line(text)}", file=sys.stderr, flush=True)  # noqa: T201 - the command's warnings


def print_json(value: Any, *, indent: int | None = None) -> None:  # noqa: ANN401 - any JSON value
    """Print a JSON value, on one line without `indent`."""
    write_line(encode_json(value, sys.stdout.encoding, indent=indent))


def print_table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print aligned columns, the same on a terminal and in a pipe."""
    lines = [tuple(headers), *(tuple(map(_escape_cell, row)) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print_text("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _escape_cell(text: str) -> str:
    """Return the text that will be written for a cell, to compute its width."""
    encoding = sys.stdout.encoding or "ascii"
    return escape_line(text).encode(encoding, "backslashreplace").decode(encoding)


def read_settings(config: Path | None, sources: Sequence[str] = ()) -> Settings:
    """Return the effective settings; `sources` (``[NAME=]SPEC``) replace the configured ones."""
    settings = load_settings(config, environ=os.environ)
    return replace_sources(settings, parse_sources(sources)) if sources else settings


def parse_sources(texts: Sequence[str]) -> tuple[Source, ...]:
    """Parse sources from ``[NAME=]SPEC``; a source without a name is named after its kind.

    Raises `UsageError`.
    """
    from pydantic import ValidationError

    from edge.settings.section import SLUG_RULE
    from edge.settings.source_spec import explain_clash, parse_source
    from edge.settings.tree import Source

    sources: dict[str, Source] = {}
    for text in texts:
        named = _NAMED.fullmatch(text)
        spec = named.group(2) if named else text
        parsed = parse_source(spec)
        name = named.group(1) if named else _choose_name(spec.partition(":")[0].lower(), sources)
        if name in sources:
            msg = f"two sources are called {name}"
            raise UsageError(msg, where="--source", remedy=f"give each its own name, as in --source {name}2={spec}")
        if why := next(filter(None, (explain_clash(parsed, parse_source(s.spec)) for s in sources.values())), None):
            raise UsageError(why, where=f"--source {parsed.masked}")
        try:
            source = Source(name=name)
        except ValidationError as exc:
            msg = f"the name must be {SLUG_RULE}"
            raise UsageError(msg, where=f"--source {name}") from exc
        # Unlike a configuration, a command line can name any file, also with a line break or bytes that are not UTF-8.
        sources[name] = source.model_copy(update={"spec": spec})
    return tuple(sources.values())


def _choose_name(kind: str, taken: Container[str]) -> str:
    names = (kind if n == 1 else f"{kind}-{n}" for n in itertools.count(1))
    return next(name for name in names if name not in taken)


def find_state_folder(settings: Settings) -> Path:
    """Return the state folder of the installed service, else the user's own."""
    return find_state_dir(settings, environ=add_state_folder(os.environ))


def find_own_folder(settings: Settings) -> Path:
    """Return the state folder of a node that this user runs."""
    return find_state_dir(settings, environ=os.environ)


def find_models_folder(settings: Settings) -> Path:
    """Return the state folder with the bundles to use.

    It is the user's own if the service's folder may not be read.
    """
    folder = find_state_folder(settings)
    return folder if may_read(folder) else find_own_folder(settings)


def may_read(folder: Path) -> bool:
    """Return whether a folder may be read or is absent."""
    return os.access(folder, os.R_OK | os.X_OK) or not os.path.lexists(folder)


def find_secret(value: SecretStr | None, file: Path | None, credential: str) -> str | None:
    """Return a secret from the settings, else from the credentials of the installed service."""
    if file is None and "CREDENTIALS_DIRECTORY" not in os.environ:
        file = find_credential_file(credential)
    return read_secret(value, file, credential)


def choose_node_name(settings: Settings) -> str:
    """Return the node's name for topics and messages."""
    from edge.publish.topics import slug

    return settings.node.id or slug(socket.gethostname())


def load_event_classifier(settings: Settings) -> OnnxClassifier:
    """Load the classifier of events that the settings choose."""
    return load_model(settings)[0]


def load_model(settings: Settings) -> tuple[OnnxClassifier, Settings]:
    """Load the classifier that the settings choose, and return it with the settings that fit.

    They are reduced if another bundle had to take its place.
    """
    from edge.inference.library import Library
    from edge.inference.load import load_classifier
    from edge.pipeline.build import check_bundle
    from edge.pipeline.fitting import fit_settings

    model = settings.model
    candidates = Library(find_models_folder(settings)).resolve(model.bundle)
    classifier = load_classifier(
        candidates,
        check=check_bundle,
        provider=model.provider,
        threads=model.threads,
        # Not in the folder of the service, which could not write files that root made.
        cache_dir=model.cache_dir or find_own_folder(settings) / "tensorrt",
    )
    replaced = classifier.bundle.path != candidates[0]
    return classifier, fit_settings(settings, classifier.bundle) if replaced else settings


def load_clap_classifier(settings: Settings) -> OnnxClassifier | None:
    """Load the clap network; return None if the settings disable claps."""
    from edge.inference.library import Library
    from edge.pipeline.build import load_clap_network

    return load_clap_network(settings, Library(find_models_folder(settings)))


def set_up_command_log() -> None:
    """Set up the log of a one-shot command: warnings, formatted like its own."""
    _install_handler(logging.StreamHandler(), "warning", _LineFormatter("tocsin: %(message)s"))


def set_up_service_log(settings: Logging, handler: logging.Handler | None = None, *, events: bool = True) -> None:
    """Set up the log of a service on standard error.

    With ``events=False``, events are left out: the command prints them itself.
    """
    from edge.node.eventlog import LOGGER

    journal = "JOURNAL_STREAM" in os.environ  # the journal adds the time itself
    text = "%(levelname)s %(name)s: %(message)s" if journal else "%(asctime)s %(levelname)s %(name)s: %(message)s"
    formatter = _JsonFormatter() if settings.format == "json" else _LineFormatter(text)
    handler = handler or logging.StreamHandler()
    if not events:
        handler.addFilter(lambda record: record.name != LOGGER)
    _install_handler(handler, settings.level, formatter)


def _install_handler(handler: logging.Handler, level: str, formatter: logging.Formatter) -> None:
    formatter.default_msec_format = "%s.%03d"
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("tocsin").setLevel(level.upper())


class _LineFormatter(logging.Formatter):
    """Formatter of one line per record, with control characters escaped.

    A traceback keeps its own lines.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - named by the base class
        """Return the line of a record."""
        return escape_line(super().formatMessage(record))


class _JsonFormatter(logging.Formatter):
    """Formatter of one JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {
            "time": f"{stamp}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return encode_json(line, sys.stderr.encoding)
