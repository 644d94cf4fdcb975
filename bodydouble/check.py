"""One line of a report of checks: of a machine, of a file."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

Verdict = Literal["PASS", "WARN", "FAIL"]


@dataclass(frozen=True)
class Check:
    """What was checked, the verdict, what was found, and the remedy ("" where none is needed)."""

    name: str
    verdict: Verdict
    found: str
    remedy: str = ""

    def as_dict(self) -> dict[str, str]:
        """Return the four fields ready for JSON."""
        return asdict(self)
