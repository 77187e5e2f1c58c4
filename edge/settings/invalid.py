"""The error of a value that a section of the configuration refuses."""

from __future__ import annotations

from edge.errors import render


class InvalidValueError(ValueError):
    """A value that a section refuses, as `edge.settings.keys.explain` reports it."""

    def __init__(self, what: str, *, key: str = "", remedy: str = "", at: tuple[str | int, ...] = ()) -> None:
        """Take what is wrong, the dotted key below the section where it is wrong, and what to do about it.

        `at` is a key below that, whose line in the file is the place of the error.
        """
        super().__init__(render(what, where=key, remedy=remedy))
        self.what, self.key, self.remedy, self.at = what, key, remedy, at
