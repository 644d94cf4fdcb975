"""What the person shown agreed to, under which licence the data are, and whether faces can be seen."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Literal, get_args

TRAINING = "training"
SCOPES = (TRAINING, "sharing", "publication")
"""What one can agree to: training models with the data, giving them to others, publishing them."""

Privacy = Literal["unknown", "identifiable", "faces_blurred", "nobody"]
PRIVACY_STATES: tuple[str, ...] = get_args(Privacy)


@dataclass(frozen=True)
class Consent:
    """What the person agreed to. Empty: nobody recorded anything."""

    version: str = ""
    """Which form was signed, e.g. "2026-03"."""
    scope: tuple[str, ...] = ()
    """Of ``SCOPES``."""
    expires: str = ""
    """ISO date after which it no longer holds; "" never."""
    statement: str = ""
    """In words, or where it is filed."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "scope", tuple(self.scope))
        for scope in self.scope:
            if scope not in SCOPES:
                raise ValueError(f"consent for '{scope}' is unknown; valid: {', '.join(SCOPES)}")
        if self.expires:
            datetime.date.fromisoformat(self.expires)

    def problem(self, on: datetime.date, wanted: str = TRAINING) -> str:
        """Return why it does not cover ``wanted`` on a day, "" where it does."""
        if not self.version and not self.statement:
            return "no consent is recorded"
        if wanted not in self.scope:
            return f"the consent does not cover {wanted}" + (f" (only {', '.join(self.scope)})" if self.scope else "")
        if self.expires and datetime.date.fromisoformat(self.expires) < on:
            return f"the consent expired on {self.expires}"
        return ""
