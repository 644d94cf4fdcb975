"""Corners of one camera's images, followed from frame to frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.odometry.turn_between import rotation_of, turn_between
from bodydouble.calibration.odometry.working_image import WorkingImage

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
Image = npt.NDArray[np.uint8]
Pixels = npt.NDArray[np.float32]

MARGIN_PX = 8.0
"""Nearer to the image's edge nothing is followed: half a window would be outside."""
_WINDOW = (15, 15)
_LEVELS = 4
"""Halvings of the image in which a feature is first looked for: it may move by about 100 px."""
_RETURN_PX = 0.5
"""How far off a feature may come back when it is followed to the new image and back again (Kalal et al., "Forward-backward error", ICPR 2010)."""
_MOST = 160
_APART_PX = 14
_QUALITY = 0.004
"""Least corner strength, as a share of the strongest in the image (Shi and Tomasi, "Good features to track", CVPR 1994)."""
_CELL_PX = 80
_A_CELL = 6
"""Most corners in a cell of the image, lest one sign has them all."""
_ENOUGH = 0.5
"""Share of the features that must be found, else the turn of the camera is looked for first."""
_BLIND = 0.15
"""Below this share the image shows nothing known: it is passed over, and the next one compared with the last good one."""
_FEWEST = 4
_FAST_PX = 6.0
"""Where features went further than this they are next looked for as if the camera turned on as it did."""
_FLAT = 4.0
"""Standard deviation of grey values below which an image shows nothing."""


@dataclass
class _Reference:
    """The last image in which features were found, and these."""

    image: Image
    pixels: Pixels
    ids: IntArray
    turn: FloatArray | None = None
    """(3, 3) how the camera had turned since the image before, where that was much."""
    passed: int = 0
    """Frames since."""


class FeatureTracker:
    """Follows corners by pyramidal Lucas-Kanade (Bouguet, "Pyramidal implementation of the Lucas Kanade feature tracker", 2001)."""

    def __init__(self, working: WorkingImage, *, most_passed: int) -> None:
        """Start without features. After ``most_passed`` frames that show nothing known, the features are given up."""
        self._working = working
        self._most_passed = most_passed
        self._reference: _Reference | None = None
        self._next_id = 0

    @property
    def found(self) -> tuple[IntArray, FloatArray]:
        """The numbers (n,) and pixels (n, 2) of the features in the latest image; none where it shows nothing known."""
        if self._reference is None or self._reference.passed:
            return np.zeros(0, np.int64), np.zeros((0, 2))
        return self._reference.ids, self._reference.pixels.astype(np.float64)

    def follow(self, image: Image, ignore: BoolArray | None = None) -> None:
        """Follow the features to the next image. ``ignore`` (h, w) is True where features do not count."""
        reference = self._reference
        if reference is None or not len(reference.ids):
            self._reference = _Reference(image, np.zeros((0, 2), np.float32), np.zeros(0, np.int64))
            return
        pixels, good = self._followed(reference, image)
        good &= self._counts(pixels, ignore)
        if good.sum() >= max(_BLIND * len(good), _FEWEST):
            turn = self._turn(reference.pixels[good], pixels[good])
            self._reference = _Reference(image, pixels[good], reference.ids[good], turn)
        elif reference.passed < self._most_passed:
            reference.passed += 1
            reference.turn = None
        else:
            self._reference = _Reference(image, np.zeros((0, 2), np.float32), np.zeros(0, np.int64))

    def refill(self, image: Image, ignore: BoolArray | None = None) -> None:
        """Look for new features in the image that was followed to last, where there are few; not if it shows nothing known."""
        reference = self._reference
        if reference is None or reference.passed:
            return
        new = self._corners(image, reference.pixels, ignore)
        reference.ids = np.concatenate([reference.ids, np.arange(self._next_id, self._next_id + len(new))])
        reference.pixels = np.concatenate([reference.pixels, new])
        self._next_id += len(new)

    def _turn(self, before: Pixels, after: Pixels) -> FloatArray | None:
        """Return how the camera turned, if its features went far enough for it to matter where to look for them next."""
        if np.median(np.linalg.norm(after - before, axis=1)) < _FAST_PX:
            return None
        return rotation_of(self._working.rays(before), self._working.rays(after))

    def _followed(self, reference: _Reference, image: Image) -> tuple[Pixels, BoolArray]:
        import cv2

        if float(cv2.meanStdDev(image)[1][0, 0]) < _FLAT:
            return reference.pixels, np.zeros(len(reference.pixels), dtype=np.bool_)
        found, good = self._flow_after(reference, image, reference.turn)
        if good.mean() >= _ENOUGH:
            return found, good
        turn = turn_between(self._working, reference.image, image)
        if turn is None:
            return found, good
        again, better = self._flow_after(reference, image, turn)
        return (again, better) if better.sum() > good.sum() else (found, good)

    def _flow_after(self, reference: _Reference, image: Image, turn: FloatArray | None) -> tuple[Pixels, BoolArray]:
        """Return where the features went, looked for where the turn takes them."""
        if turn is None:
            return _flow(reference.image, image, reference.pixels, None)
        guess = self._working.project(self._working.rays(reference.pixels) @ turn.T)
        possible = self._working.inside(guess, 0.0)
        found, good = _flow(
            reference.image, image, reference.pixels, np.where(possible[:, None], guess, reference.pixels).astype(np.float32)
        )
        return found, np.asarray(good & possible)

    def _counts(self, pixels: Pixels, ignore: BoolArray | None) -> BoolArray:
        there = self._working.inside(pixels.astype(np.float64), MARGIN_PX)
        if ignore is not None:
            u, v = np.round(np.where(there[:, None], pixels, 0)).astype(int).T
            there &= ~ignore[v, u]
        return there

    def _corners(self, image: Image, taken: Pixels, ignore: BoolArray | None) -> Pixels:
        """Return new corners (n, 2), spread over the image, away from those that are followed."""
        import cv2

        free = np.zeros(image.shape, dtype=np.uint8)
        edge = int(MARGIN_PX) + 1
        free[edge:-edge, edge:-edge] = 255
        if ignore is not None:
            free[ignore] = 0
        for u, v in np.round(taken).astype(int):
            cv2.circle(free, (int(u), int(v)), _APART_PX, 0, -1)
        found = cv2.goodFeaturesToTrack(image, 3 * _MOST, _QUALITY, _APART_PX, mask=free, blockSize=5)
        if found is None:
            return np.zeros((0, 2), np.float32)
        corners = found.reshape(-1, 2)
        columns = -(-self._working.size[0] // _CELL_PX)

        def cell(pixels: Pixels) -> IntArray:
            at = (pixels // _CELL_PX).astype(np.int64)
            return np.asarray(at[:, 1] * columns + at[:, 0])

        cells = cell(corners)
        order = np.argsort(cells, kind="stable")
        first = np.searchsorted(cells[order], cells[order])
        rank = np.empty(len(cells), dtype=np.int64)
        rank[order] = np.arange(len(cells)) - first
        already = np.bincount(cell(taken), minlength=cells.max() + 1)[cells] if len(taken) else 0
        corners = corners[rank + already < _A_CELL][: max(_MOST - len(taken), 0)]
        return np.asarray(corners[np.isfinite(self._working.rays(corners)).all(axis=1)])


def _flow(before: Image, after: Image, pixels: Pixels, guess: Pixels | None) -> tuple[Pixels, BoolArray]:
    """Return where pixels (n, 2) went, and which of them come back when followed the other way."""
    import cv2

    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 0.01)
    flags = 0 if guess is None else cv2.OPTFLOW_USE_INITIAL_FLOW
    start = pixels.reshape(-1, 1, 2)
    guessed = None if guess is None else guess.reshape(-1, 1, 2).copy()
    found, there, _ = cv2.calcOpticalFlowPyrLK(
        before, after, start, guessed, winSize=_WINDOW, maxLevel=_LEVELS, criteria=stop, flags=flags, minEigThreshold=1e-4
    )
    back, returned, _ = cv2.calcOpticalFlowPyrLK(
        after,
        before,
        found,
        start.copy(),
        winSize=_WINDOW,
        maxLevel=1,
        criteria=stop,
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
        minEigThreshold=1e-4,
    )
    off = np.linalg.norm((back - start).reshape(-1, 2), axis=1)
    good = (there.ravel() == 1) & (returned.ravel() == 1) & (off < _RETURN_PX)
    return found.reshape(-1, 2), np.asarray(good & np.isfinite(found).all(axis=(1, 2)))
