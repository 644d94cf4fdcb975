"""What a calibration report shows, computed once from the calibration of a rig or of one lens."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.boards.board import Targets
from bodydouble.calibration.bundle.state import Views
from bodydouble.calibration.cameras.camera_model import CameraModel
from bodydouble.calibration.intrinsics import IntrinsicsCalibration
from bodydouble.calibration.report.coverage import Coverage, coverage_of
from bodydouble.calibration.report.links import Link, shared_moments, strongest_links
from bodydouble.calibration.report.noise_floor import noise_floor
from bodydouble.calibration.report.target_scale import relative_target_sizes
from bodydouble.calibration.report.tilt import board_normals, normals_of, tilt_spread
from bodydouble.calibration.rig import Sigma
from bodydouble.calibration.rig_calibration import HeldOutScore, RigCalibration

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

LEAST_WEIGHT = 0.1
"""A corner that counted less was as good as left out; one that is right counts about 1."""
ODD = 10.0
"""A view whose median error is so many times that of all corners is named."""


@dataclass(frozen=True)
class CameraSummary:
    """One camera: what it saw, how well the result explains it, and how sure the result is."""

    name: str
    body: str
    model: CameraModel
    sigma: Sigma
    T_body_camera: FloatArray | None
    """(4, 4); None where only the lens was calibrated."""
    is_reference: bool
    """Its mount was held, and the others are relative to it."""
    time_offset_s: float
    views: int
    """Views that the solver used."""
    pixels: FloatArray
    """(N, 2) corners seen in those views."""
    residual: FloatArray
    """(N, 2) predicted minus seen px."""
    normals: FloatArray
    """(W, 3) normals of boards in the camera frame."""
    coverage: Coverage
    noise_px: float
    held_out_px: FloatArray
    """(K,) distances between each seen point and the triangulated one, on moments that the solver did not see."""
    ignored: int | None = None
    """Corners among ``pixels`` that the robust loss gave next to no weight; None where the weights are not known."""
    parameter_sigma: FloatArray | None = None
    """(P,) of all ``model.parameters``, where known."""

    @property
    def error_px(self) -> FloatArray:
        """(N,) lengths of the finite residuals."""
        length = np.linalg.norm(self.residual, axis=-1)
        return np.asarray(length[np.isfinite(length)])

    @property
    def lens_was_solved(self) -> bool:
        """Whether the focal length was an unknown; one that was given has no sigma."""
        return self.sigma.focal_px is not None and self.sigma.focal_px != 0.0

    @property
    def clock_is_held(self) -> bool:
        """Whether its clock is the one that those of the others were measured against."""
        return self.sigma.time_offset_s is None and self.time_offset_s == 0.0

    @property
    def tilt_rad(self) -> tuple[float, float]:
        """Spread of the boards' tilt to the left and right, and up and down."""
        return tilt_spread(self.normals)


@dataclass(frozen=True)
class ReportSummary:
    """All that the checks, the JSON and the page take from a calibration. C cameras in the order of the rig."""

    kind: Literal["rig", "lens"]
    title: str
    cameras: tuple[CameraSummary, ...]
    shared: IntArray
    """(C, C) moments in which two cameras saw the same; on the diagonal those in which one saw anything."""
    links: tuple[Link, ...]
    groups: tuple[tuple[int, ...], ...]
    """Cameras that hang together; one group a body when all is well."""
    not_in_rig: tuple[str, ...]
    """Cameras that were filmed but have no place in the rig."""
    held_out: HeldOutScore | None
    """None where only the lens was calibrated."""
    jitter_s: float
    rejected: dict[str, str]
    moments: int
    moments_solved: int
    targets: Targets | None
    T_room_target: FloatArray
    """(G, 4, 4); NaN for targets that moved."""
    target_sigma: FloatArray
    """(G, 2) rad, m."""
    target_sizes: dict[str, float] = field(default_factory=dict)
    """Measured over declared size of each target, compared with the others; empty where it cannot be known."""
    frames: int = 0
    """Frames of single cameras with a view, the rejected ones included."""
    held_out_as_stamped: HeldOutScore | None = None
    """The held-out score with the moments that the stamps say, before the calibrated clocks put the frames in step."""
    odd_views: dict[str, float] = field(default_factory=dict)
    """Views that were solved with although their median error in px is many times the usual one, largest first."""
    noise_floor_m: FloatArray = field(default_factory=lambda: np.zeros(0))
    """Errors of board distances that corner noise alone brings about on moments that were not solved with."""
    detect_seconds: float = float("nan")
    solve_seconds: float = float("nan")
    converged: bool | None = None
    """None where the calibration did not say."""

    @property
    def views(self) -> int:
        """Views that the solver used."""
        return sum(camera.views for camera in self.cameras)

    @property
    def clocks_were_solved(self) -> bool:
        """Whether clock offsets were unknowns."""
        return any(not camera.clock_is_held for camera in self.cameras)

    @property
    def distance_error_m(self) -> FloatArray:
        """(D,) signed held-out errors of board distances that are finite."""
        return finite_distance_errors(self.held_out)


def held_out_px(score: HeldOutScore | None, camera: str) -> FloatArray:
    """Return (K,) finite distances in px between what a camera saw and the triangulated points of a score."""
    pixels = np.asarray(score.reprojection_px.get(camera, ()) if score is not None else (), dtype=np.float64)
    return pixels[np.isfinite(pixels)]


def finite_distance_errors(score: HeldOutScore | None) -> FloatArray:
    """Return (D,) signed errors in m of a score; none where there is no score."""
    if score is None:
        return np.zeros(0)
    errors = np.asarray(score.distance_error_m, dtype=np.float64)
    return errors[np.isfinite(errors)]


def median(values: FloatArray) -> float:
    """Return the median, NaN of nothing."""
    return float(np.median(values)) if len(values) else float("nan")


def rms(values: FloatArray) -> float:
    """Return the root mean square, NaN of nothing."""
    return float(np.sqrt(np.mean(np.square(values)))) if len(values) else float("nan")


def p95(values: FloatArray) -> float:
    """Return what one value in twenty exceeds, NaN of nothing."""
    return float(np.percentile(values, 95)) if len(values) else float("nan")


def summarize(calibration: RigCalibration | IntrinsicsCalibration, *, camera: str = "camera") -> ReportSummary:
    """Compute what the report of a calibration shows. ``camera`` names the one of a lens calibration, which has no name of its own."""
    return _of_rig(calibration) if isinstance(calibration, RigCalibration) else _of_lens(calibration, camera)


def _of_rig(calibration: RigCalibration) -> ReportSummary:
    rig, observations, all_views = calibration.rig, calibration.observations, calibration.views
    row_of = {name: row for row, name in enumerate(observations.cameras)}
    cameras = []
    for name, mounted in rig.cameras.items():
        row = row_of.get(name)
        mine = np.flatnonzero(all_views.camera == (-1 if row is None else row))
        views, residual = all_views.select(mine), calibration.residual[mine]
        pixels = views.pixels[views.seen]
        noise = float("nan") if row is None or len(mine) == 0 else float(calibration.noise_px[row])
        cameras.append(
            CameraSummary(
                name, mounted.body, mounted.model, mounted.sigma, mounted.T_body_camera, calibration.reference.get(mounted.body) == name,
                mounted.time_offset_s, len(mine), pixels, residual[views.seen], board_normals(mounted.model, views),
                coverage_of(mounted.model, pixels), noise, held_out_px(calibration.held_out, name),
                int((calibration.weight[mine][views.seen] < LEAST_WEIGHT).sum()),
            )
        )  # fmt: skip
    bodies = [item.body for item in cameras]
    standing = np.asarray(np.isfinite(calibration.T_room_target).all(axis=(-2, -1)))
    shared = shared_moments(_numbered_as(rig.names, observations.cameras, all_views), len(cameras), standing, bodies)
    links, groups = strongest_links(shared, bodies)
    return ReportSummary(
        "rig", rig.name, tuple(cameras), shared, tuple(links), tuple(map(tuple, groups)),
        tuple(name for name in observations.cameras if name not in rig.cameras), calibration.held_out, calibration.jitter_s,
        dict(calibration.rejected), observations.moments, len(np.unique(all_views.moment)), observations.targets,
        calibration.T_room_target, calibration.target_sigma, relative_target_sizes(observations, rig), _frames(calibration),
        calibration.held_out_as_stamped, _odd_views(calibration), noise_floor(calibration),
        calibration.detect_seconds, calibration.solve_seconds, calibration.converged,
    )  # fmt: skip


def _odd_views(calibration: RigCalibration) -> dict[str, float]:
    observations, views = calibration.observations, calibration.views
    length = np.linalg.norm(np.where(views.seen[..., None], calibration.residual, np.nan), axis=-1)
    off = np.array([median(row[np.isfinite(row)]) for row in length])
    found: dict[str, float] = {}
    for v in np.flatnonzero(off > ODD * median(length[np.isfinite(length)])):
        c = views.camera[v]
        frame = f"{observations.cameras[c]} frame {observations.frame_index[c, views.moment[v]]}"
        if frame not in calibration.rejected:
            found[frame] = max(float(off[v]), found.get(frame, 0.0))
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _frames(calibration: RigCalibration) -> int:
    observations, views = calibration.observations, calibration.views
    numbers = observations.frame_index[views.camera, views.moment]
    used = {f"{observations.cameras[c]} frame {number}" for c, number in zip(views.camera, numbers, strict=True)}
    return len(used | set(calibration.rejected))


def _numbered_as(names: tuple[str, ...], observed: tuple[str, ...], views: Views) -> Views:
    """Return the views of cameras of the rig, numbered in its order."""
    number = np.array([names.index(name) if name in names else -1 for name in observed], dtype=np.int64)
    camera = number[views.camera] if len(views) else views.camera
    kept = views.select(camera >= 0)
    return Views(camera[camera >= 0], kept.moment, kept.target, kept.time_s, kept.points, kept.pixels, kept.point)


def _of_lens(calibration: IntrinsicsCalibration, name: str) -> ReportSummary:
    views, model = calibration.views, calibration.model
    pixels, count = views.pixels[views.seen], len(views)
    sigma = np.asarray(calibration.sigma, dtype=np.float64)
    camera = CameraSummary(
        name, "", model, Sigma(focal_px=float(sigma[:2].max()), center_px=float(sigma[2:4].max())), None, True, 0.0, count, pixels,
        calibration.residual[views.seen], normals_of(calibration.T_camera_target), coverage_of(model, pixels), calibration.sigma_px,
        np.zeros(0), parameter_sigma=sigma,
    )  # fmt: skip
    return ReportSummary(
        "lens", name, (camera,), np.array([[count]]), (), ((0,),), (), None, 0.0,
        {f"view {view}": reason for view, reason in calibration.rejected.items()}, count + len(calibration.rejected), count, None,
        np.zeros((0, 4, 4)), np.zeros((0, 2)), frames=count + len(calibration.rejected),
    )  # fmt: skip
