"""How a long step tells its caller how far it is, without knowing what shows it."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[float, float], None]
"""Called as ``progress(done, total)``, in whatever unit the step counts in."""


def silent(done: float, total: float) -> None:
    """Show nothing: the default for callers that do not watch."""
