"""The error for a value that a section of the configuration refuses."""

from __future__ import annotations

from edge.errors import render


class InvalidValueError(ValueError):
    """An error for a refused value, which `edge.settings.keys.explain` reports."""

    def __init__(self, what: str, *, key: str = "", remedy: str = "", at: tuple[str | int, ...] = ()) -> None:
        """Store the problem, its dotted key relative to the section, and the remedy.

        `at` is a key below `key`; its line in the file is the place of the error.
        """
        super().__init__(render(what, where=key, remedy=remedy))
        self.what, self.key, self.remedy, self.at = what, key, remedy, at
