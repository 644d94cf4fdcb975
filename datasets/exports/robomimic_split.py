"""Training and validation demonstrations that never share a recording, decided by the recordings alone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

VALIDATION_SHARE = 0.1
"""Of all recordings, about."""


def validation_sources(sources: Sequence[str]) -> set[str]:
    """Return the recordings that are kept for validation.

    A recording is one where the hash of its name is among the lowest ``VALIDATION_SHARE``, so that it stays on its side when exports are merged. With two or
    more recordings neither side stays empty: the one with the lowest hash validates, or the one with the highest trains. A single one trains.
    """
    ordered = sorted(set(sources), key=_place)
    if len(ordered) < 2:
        return set()
    chosen = [source for source in ordered if _place(source) < VALIDATION_SHARE] or ordered[:1]
    return set(chosen if len(chosen) < len(ordered) else chosen[:-1])


def _place(source: str) -> float:
    return int.from_bytes(hashlib.sha256(source.encode()).digest()[:8], "big") / 2**64
