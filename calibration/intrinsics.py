"""The lens of one camera from views of a board: robust, with the spread of every parameter and the views that were not believed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.bundle.adjust import Adjustment, adjust
from bodydouble.calibration.bundle.priors import Priors
from bodydouble.calibration.bundle.state import Layout, State, Structure, Views, layout
from bodydouble.calibration.cameras.camera_model import CameraModel
from bodydouble.calibration.focal_search import LENSES, first_guess
from bodydouble.calibration.pnp import FEWEST_POINTS, target_poses
from bodydouble.calibration.transform import pose_from
from bodydouble.errors import DataError

FloatArray = npt.NDArray[np.float64]

CENTER_SIGMA = 0.02
"""Of the principal point about the middle of the image, in longer sides: lenses are glued that well. Without it few, similar views let it run."""
_DISTORTION_SIGMA = {
    "pinhole": (1.0, 1.0, 0.01, 0.01, 1.0),
    "pinhole8": (2.0, 2.0, 0.01, 0.01, 2.0, 2.0, 2.0, 2.0),
    "fisheye": (0.5, 0.5, 0.3, 0.2),
}
FEWEST_VIEWS = 3
_CLEARLY = 0.8
_GOOD_PX = 0.15
"""A lens that leaves no more noise than sharp corners have needs no rival."""
_FOREIGN = 5.0
"""A view whose error is this many times the median of all views is not a view of this board through this lens: it is named and left out."""
_FOREIGN_FLOOR_PX = 1.0
_HOPELESS = 0.01
"""Of the longer side of the image: a lens that leaves larger errors is no calibration."""
_IN_FRONT = pose_from(np.eye(3), [0.0, 0.0, 1.0])
"""Where a target is taken to be for which no pose was found."""
_FLATTEST_RAD = np.radians(80.0)
"""Seen flatter than this a board says next to nothing about the lens."""


@dataclass(frozen=True)
class IntrinsicsCalibration:
    """The lens of one camera, and how it was found."""

    lens: str
    model: CameraModel
    sigma: FloatArray
    """(P,) one standard deviation of each of ``model.parameters``."""
    views: Views
    """The views that were used."""
    T_camera_target: FloatArray
    """(V, 4, 4)"""
    residual: FloatArray
    """(V, n, 2) px, 0 where not seen."""
    sigma_px: float
    """Scale of the corner errors, one standard deviation."""
    rejected: dict[int, str]
    """View (as numbered in what was given) to why it was left out."""

    @property
    def rms_px(self) -> float:
        """Root mean square length of the residuals of the views used."""
        return float(np.sqrt(np.mean(np.square(self.residual).sum(axis=-1)[self.views.seen])))


def lens_of(model: CameraModel) -> str:
    """Return the name under which ``intrinsics_priors`` knows a model's lens, "" where it has no priors."""
    for name, (cls, terms) in LENSES.items():
        if isinstance(model, cls) and len(model.distortion) == terms:
            return name
    return ""


def intrinsics_priors(model: CameraModel) -> tuple[FloatArray, FloatArray]:
    """Return expected values (P,) and their spread of a camera's parameters, before any image: ``CENTER_SIGMA`` and weak ones on the lens."""
    width, height = model.image_size
    lens = _DISTORTION_SIGMA.get(lens_of(model), (np.inf,) * len(model.distortion))
    expected = np.array([model.focal[0], model.focal[1], (width - 1) / 2, (height - 1) / 2, *(0.0 for _ in lens)])
    side = CENTER_SIGMA * max(width, height)
    return expected, np.array([np.inf, np.inf, side, side, *lens])


def calibrate_lens(views: Views, image_size: tuple[int, int], lens: str = "pinhole") -> IntrinsicsCalibration:
    """Find a camera's intrinsics from its views of boards.

    ``views`` are those of one camera (number 0); each is a moment of its own. ``lens`` is one of ``LENSES``. Raises: DataError when fewer
    than three views can be used, they contradict each other, or all are seen edge-on.
    """
    found = [(views.points[v][views.seen[v]], views.pixels[v][views.seen[v]]) for v in range(len(views))]
    if len(found) < FEWEST_VIEWS:
        count = {0: "No view shows the board", 1: "Only one view shows the board"}.get(
            len(found), f"Only {len(found)} views show the board"
        )
        raise DataError(
            f"{count} (with {FEWEST_POINTS} or more corners, not all on one line, and unlike the other views); expected at least {FEWEST_VIEWS}, "
            "better 15. Film it longer, near, in more places and tilts."
        )
    model = first_guess(lens, image_size, found)
    kept, rejected = np.arange(len(views)), dict[int, str]()
    while True:
        result = _fit(model, views.select(kept))
        size = np.square(result[1].residual).sum(axis=-1)
        size = np.where(np.isfinite(size), size, np.inf)  # where the lens maps no point to
        seen = views.select(kept).seen
        error = np.sqrt(np.array([np.median(row[mask]) for row, mask in zip(size, seen, strict=True)]))
        limit = max(_FOREIGN * float(np.median(error)), _FOREIGN_FLOOR_PX)
        foreign = error > limit
        if not foreign.any():
            break
        for v, e in zip(kept[foreign], error[foreign], strict=True):
            how_far = (
                f"its corners are {e:.1f} px off what the other views say (limit {limit:.1f} px)"
                if np.isfinite(e)
                else "no pose explains it"
            )
            rejected[int(v)] = f"{how_far}: a false detection or another board"
        kept = kept[~foreign]
        if len(kept) < FEWEST_VIEWS:
            raise DataError(
                f"Only {len(kept)} of {len(views)} views agree with each other; expected at least {FEWEST_VIEWS}. Check that the board file "
                "describes the board in the images (`bodydouble board find IMAGE` tells), and that all images are of one camera."
            )
        model = result[1].state.models[0]
    if not np.median(error) <= _HOPELESS * max(image_size):
        raise DataError(
            f"A {lens} lens does not explain the views: half of the corners are more than {np.median(error):.0f} px off. Check that the board file "
            "describes the board in the images (`bodydouble board find IMAGE` tells), and that all images are of one camera."
        )
    state, adjustment, P = result[0], result[1], len(model.parameters)
    tilt = np.arccos(np.clip(np.abs(np.einsum("vi,vi->v", state.T_room_knot[0, :, :3, 2], _unit(state.T_room_knot[0, :, :3, 3]))), 0, 1))
    if (tilt > _FLATTEST_RAD).all():
        raise DataError(
            "The board is seen edge-on in every view, which says nothing about the lens. Turn it towards the camera, in tilts of 20 to 50 degrees."
        )
    return IntrinsicsCalibration(
        lens, state.models[0], np.sqrt(np.diag(adjustment.covariance))[:P], views.select(kept), state.T_room_knot[0], adjustment.residual,
        float(adjustment.noise_px[0]), rejected,
    )  # fmt: skip


def find_lens(views: Views, image_size: tuple[int, int], lens: str = "auto") -> IntrinsicsCalibration:
    """Find a camera's intrinsics with the simplest lens that explains its views: pinhole unless another leaves clearly less noise.

    ``lens``: that one of ``LENSES`` instead. Raises: DataError as ``calibrate_lens``, if no lens fits.
    """
    if lens != "auto":
        return calibrate_lens(views, image_size, lens)
    best: IntrinsicsCalibration | None = None
    problem: DataError | None = None
    for name in ("pinhole", "fisheye", "pinhole8"):
        try:
            found = calibrate_lens(views, image_size, name)
        except DataError as error:
            problem = problem or error
            continue
        if best is None or found.sigma_px < _CLEARLY * best.sigma_px or len(found.rejected) + 2 < len(best.rejected):
            best = found
        if best.sigma_px < _GOOD_PX and not best.rejected:
            break
    if best is None:
        assert problem is not None
        raise problem
    return best


def _fit(model: CameraModel, views: Views) -> tuple[State, Adjustment]:
    """Fit lens and poses, focal length and first distortion term before the rest."""
    poses = np.tile(np.eye(4), (1, len(views), 1, 1))
    for v in range(len(views)):
        candidates = target_poses(model, views.points[v][views.seen[v]], views.pixels[v][views.seen[v]])
        poses[0, v] = candidates[0][0] if candidates else _IN_FRONT
    count, P = len(views), len(model.parameters)
    views = Views(
        np.zeros(count, dtype=np.int64), np.arange(count), np.zeros(count, dtype=np.int64), np.arange(count, dtype=float),
        views.points, views.pixels, views.point,
    )  # fmt: skip
    structure = Structure(np.array([0]), np.array([-1]), np.array([0]), np.arange(count, dtype=float), 1)
    state = State((model,), np.eye(4)[None], np.zeros(1), np.eye(4)[None], poses, np.zeros((1, count, 0, 6)))
    expected, sigma = intrinsics_priors(model)
    priors = Priors(expected[None], sigma[None])
    for free in ([0, 1, 4], [0, 1, 2, 3, 4, 5], range(P)):
        mask = np.zeros((1, P), dtype=bool)
        mask[0, list(free)] = True
        adjustment = adjust(state, structure, views, _layout(mask), priors)
        state = adjustment.state
    return state, adjustment


def _layout(mask: npt.NDArray[np.bool_]) -> Layout:
    held = np.zeros(1, dtype=bool)
    return layout(mask, held, held, held)


def _unit(v: FloatArray) -> FloatArray:
    return np.asarray(v / np.linalg.norm(v, axis=-1, keepdims=True))
