"""BodyPoints: the human points that a file gives, in metres and the world's axes, before anything is made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from bodydouble.hand_pose.human_motion import Source
from bodydouble.retarget.motions.rotations import known_rows

FloatArray = npt.NDArray[np.float64]
SourceArray = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class BodyPoints:
    """Points and turned links of one person over T frames, z up. Names are those of ``HUMAN_POINTS`` and of the face's landmarks."""

    times_s: FloatArray
    """(T,) s."""
    places: Mapping[str, FloatArray]
    """Point to (T, 3) m; NaN where not known."""
    source: Mapping[str, SourceArray]
    """Point to (T,) of Source; MISSING where the place is NaN."""
    turns: Mapping[str, FloatArray] = field(default_factory=dict)
    """Link to (T, 3, 3) R_world_link; NaN where not known."""
    sigma: Mapping[str, float] = field(default_factory=dict)
    """Point to one standard deviation in m, where it is known."""

    @property
    def frames(self) -> int:
        """Number of frames."""
        return len(self.times_s)

    def place(self, point: str) -> FloatArray:
        """Return (T, 3) m, all NaN where the file has no such point."""
        found = self.places.get(point)
        return np.full((self.frames, 3), np.nan) if found is None else found

    def turn(self, link: str) -> FloatArray:
        """Return (T, 3, 3), all NaN where nothing is known."""
        found = self.turns.get(link)
        return np.full((self.frames, 3, 3), np.nan) if found is None else found

    def knows(self, *points: str) -> bool:
        """Tell whether all of these points are known together in some frame."""
        return bool(known_rows(np.concatenate([self.place(point) for point in points], axis=1)).any())

    def with_places(self, places: Mapping[str, FloatArray], source: Source = Source.INFERRED) -> BodyPoints:
        """Return this with ``places`` filled in where a point is not known yet; what is known stays."""
        merged, sources = dict(self.places), dict(self.source)
        for point, place in places.items():
            known = known_rows(self.place(point))
            new = known_rows(place) & ~known
            merged[point] = np.where(known[:, None], self.place(point), np.where(new[:, None], place, np.nan))
            before = sources.get(point, np.zeros(self.frames, np.uint8))
            sources[point] = np.where(new, np.uint8(source), before).astype(np.uint8)
        return replace(self, places=merged, source=sources)

    def with_turns(self, turns: Mapping[str, FloatArray]) -> BodyPoints:
        """Return this with ``turns`` filled in where a link's turn is not known yet; what is known stays."""
        merged = dict(self.turns)
        for link, turn in turns.items():
            known = np.isfinite(self.turn(link)).all(axis=(1, 2), keepdims=True)
            merged[link] = np.where(known, self.turn(link), turn)
        return replace(self, turns=merged)

    def moved(self, rotation: FloatArray, shift: FloatArray) -> BodyPoints:
        """Return this with everything turned by a rotation (3, 3) and then shifted by (3,) m."""
        places = {point: place @ rotation.T + shift for point, place in self.places.items()}
        return replace(self, places=places, turns={link: rotation @ turn for link, turn in self.turns.items()})


def observed(places: Mapping[str, FloatArray]) -> dict[str, SourceArray]:
    """Return the sources of places as they were measured: OBSERVED where known, else MISSING."""
    return {point: np.where(known_rows(place), Source.OBSERVED, Source.MISSING).astype(np.uint8) for point, place in places.items()}
