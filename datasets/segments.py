"""Segments: what is done when, in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Segment:
    """One annotated stretch [start_s, stop_s) of an episode, in s on the episode's clock."""

    start_s: float
    stop_s: float
    text: str

    def __post_init__(self) -> None:
        if not self.start_s < self.stop_s:
            raise ValueError(f"segment '{self.text}' ends at {self.stop_s} s, not after it starts at {self.start_s} s")


def texts_at(segments: tuple[Segment, ...], times_s: npt.NDArray[np.float64], otherwise: str) -> list[str]:
    """Return what is done at each time (T,): the text of the last segment that holds it, else ``otherwise``."""
    texts = [otherwise] * len(times_s)
    for segment in segments:
        for index in np.flatnonzero((times_s >= segment.start_s) & (times_s < segment.stop_s)):
            texts[index] = segment.text
    return texts
