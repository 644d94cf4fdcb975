"""The errors a user can meet: each says what happened, what was expected and what to do next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path


class BodydoubleError(Exception):
    """Base of every error that is the input's fault and not a bug.

    ``exit_code`` is what the command line exits with: 2 for a mistake in how a command was called or
    configured, 1 for data that could not be processed.
    """

    exit_code = 1


class UsageError(BodydoubleError):
    """A command, option or settings file asks for something that cannot be."""

    exit_code = 2


class DataError(BodydoubleError):
    """The data itself cannot be processed: unreadable, truncated, or without the thing looked for."""


class MissingDependencyError(BodydoubleError):
    """A model, sample or library that the step needs is not there and could not be fetched."""


class UnknownNameError(UsageError):
    """A name that is not among the valid ones; lists them and suggests the nearest.

    Attributes: ``kind`` (e.g. "camera"), ``name``, ``owner`` (e.g. "rig 'helmet5'"), ``choices``.
    """

    def __init__(self, kind: str, name: str, owner: str, choices: Iterable[str]) -> None:
        self.kind, self.name, self.owner, self.choices = kind, name, owner, tuple(choices)
        listed = ", ".join(self.choices) if self.choices else "none"
        super().__init__(f"{kind} '{name}' is not in {owner}; valid: {listed}.{did_you_mean(name, self.choices)}")


class FileExistsUsageError(UsageError):
    """An output that is already there and was not asked to be replaced."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(f"{path} already exists and was left as it is. Pass --force to replace it, or choose another output with -o.")


def did_you_mean(name: str, choices: Iterable[str], *, count: int = 3) -> str:
    """Return " Did you mean 'a' or 'b'?" for the nearest of ``choices``, or "" when none is near."""
    near = difflib.get_close_matches(name, list(choices), n=count, cutoff=0.6)
    return f" Did you mean {' or '.join(repr(n) for n in near)}?" if near else ""
