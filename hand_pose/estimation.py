"""Landmarks and a rig to HumanMotion: sides, triangulation, bone lengths, frame-by-frame fit, whole trajectory, and how each value is known."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from bodydouble.calibration import Rig
from bodydouble.errors import DataError
from bodydouble.hand_pose.anchors import Anchors
from bodydouble.hand_pose.batched_kinematics import BatchedKinematics, from_rest
from bodydouble.hand_pose.bones import STATURE_MEAN, STATURE_SIGMA, Constants, estimate_constants, stature_from_limbs, typical_lengths
from bodydouble.hand_pose.camera_poses import HEAD_FRAME, CameraPoses
from bodydouble.hand_pose.depth_prior import DepthPrior, place_shape, shape_scale
from bodydouble.hand_pose.each_frame import fill_in, fit_keys, key_frames
from bodydouble.hand_pose.forearm_pull import ELBOWS, WRISTS, ForearmPull
from bodydouble.hand_pose.hands_alone import person_behind
from bodydouble.hand_pose.human import LINKS, Human, angle_names, named_lengths
from bodydouble.hand_pose.human_motion import HumanMotion, Source, largest_sigma, packed
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES, LEFT_HAND, MAIN_JOINTS, POSE, RIGHT_HAND, Landmarks
from bodydouble.hand_pose.neck_pull import NeckPull
from bodydouble.hand_pose.noise import rescaled
from bodydouble.hand_pose.observations import Observations
from bodydouble.hand_pose.outliers import switched, switches
from bodydouble.hand_pose.person_change import person_changes
from bodydouble.hand_pose.pose_fit import fit_poses
from bodydouble.hand_pose.posture_prior import PosturePrior
from bodydouble.hand_pose.reprojection import reprojection_residuals, sees_bodies
from bodydouble.hand_pose.sides import decide_sides
from bodydouble.hand_pose.skeleton import REFERENCE_STATURE
from bodydouble.hand_pose.sources import FACE, JOINT_SIGMA, absent_frames, classify, observed_landmarks, with_worn
from bodydouble.hand_pose.start_pose import reach, stand, start_pose, under_head
from bodydouble.hand_pose.trajectory_fit import smooth_trajectory
from bodydouble.hand_pose.triangulate import triangulate
from bodydouble.hand_pose.uncertainty import inferred_error, single_view_covariance, uncertainty
from bodydouble.hand_pose.worn import Worn, decide, hand_views, with_guesses
from bodydouble.progress import Progress, silent

FloatArray = npt.NDArray[np.float64]

BONE_FRAMES = 24
PLACED_SIGMA = 0.10
"""m: what two views beside each other agree on was observed where it is known to half the length of a hand, along the worst axis."""
HIGH_RESIDUAL = 3.0
"""A frame whose median residual exceeds this many sigmas is flagged."""
FIT_FRAMES_SHARE = 0.6
HIPS_AND_SHOULDERS = [LANDMARK_NAMES.index(f"{side}_{name}") for name in ("hip", "shoulder") for side in ("left", "right")]


@dataclass(frozen=True)
class EstimatorSettings:
    """What a person may choose. Part of the cache key."""

    stature: float | None = None
    """m; None to estimate it (several cameras) or to assume 1.73 m (one camera)."""


# One thread: for matrices of this size more of them only wait for each other, six times longer on a busy machine.
@threadpool_limits.wrap(limits=1, user_api="blas")  # type: ignore[untyped-decorator]
def estimate(
    landmarks: Landmarks, rig: Rig, settings: EstimatorSettings = EstimatorSettings(), *,
    camera_poses: CameraPoses | None = None, progress: Progress = silent,
) -> HumanMotion:  # fmt: skip
    """Fit one person to what cameras saw whose poses are known; without ``camera_poses`` all must be mounted on "room".

    Raises: UsageError for a camera on a moving body without poses; DataError when no frame shows a person to enough cameras.
    """
    rig = rig.select(landmarks.cameras)
    if camera_poses is None:
        camera_poses = CameraPoses.static(rig, landmarks.cameras, landmarks.frames)
    times_s = master_times(landmarks)
    look = _seen_by_worn if camera_poses.moving else _seen_by_static
    seen = look(landmarks, rig, camera_poses, times_s, settings)
    assumed = {name: {"value": item.value, "sigma": item.sigma} for name, item in rig.assumed.items()}
    stature = settings.stature or seen.stature[0]
    if settings.stature is None and seen.stature_assumed:
        assumed["stature"] = {"value": STATURE_MEAN, "sigma": STATURE_SIGMA}
    usable, score = _usable_frames(seen)
    human = Human(typical_lengths(stature))
    # One camera tells proportions too; only their scale stays that of the assumed stature.
    keys = key_frames(usable, score)
    poses = fit_keys(
        human,
        seen.observations,
        times_s,
        keys,
        lambda frames: seen.start(human, frames),
        lambda done, total: progress(0.2 * (done / total), 1.0),
    )
    chosen = _spread(keys, score)
    constants = estimate_constants(seen.observations, keys[chosen], poses[chosen], stature)
    human = Human(constants.lengths)
    observations = replace(seen.observations, anchors=constants.anchors)
    poses = fit_poses(human, poses, observations, keys, iterations=8)
    progress(0.3, 1.0)
    configurations = fill_in(
        human, observations, times_s, keys, poses, lambda frames: seen.start(human, frames), np.isin(np.arange(len(times_s)), usable),
        lambda done, total: progress(0.3 + 0.3 * (done / total), 1.0),
    )  # fmt: skip
    observations = reweighted(observations, configurations, human)
    configurations = smooth_trajectory(
        human, configurations, observations, times_s, report=lambda done, total: progress(0.6 + 0.3 * (done / total), 1.0)
    )
    seen = replace(seen, observations=observations)
    motion = _describe(human, configurations, seen, landmarks, times_s, rig, camera_poses, stature, assumed, constants)
    progress(1.0, 1.0)
    return motion


def reweighted(observations: Observations, configurations: FloatArray, human: Human) -> Observations:
    """Return the observations with the noise that a first fit (T, nq) finds, and without views of hands that the others contradict."""
    scaled, _ = observations.residuals(BatchedKinematics.of(human, configurations).detected)
    sigma = rescaled(observations.sigma_rad, observations.weight, scaled)
    with np.errstate(invalid="ignore"):
        scaled = scaled * (observations.sigma_rad / sigma)[..., None]
    weight = switched(observations.weight, switches(observations.weight, scaled))
    return replace(observations, sigma_rad=sigma, weight=weight)


@dataclass(frozen=True)
class _Seen:
    """What the fit works on, with sides decided."""

    observations: Observations
    swap: npt.NDArray[np.bool_]
    """(C, T)."""
    starts: FloatArray
    """(T, 75, 3) m, where landmarks are before anything is fitted."""
    triangulated: FloatArray | None
    stature: tuple[float, float]
    stature_assumed: bool
    worn: Worn | None = None
    guessed: Worn | None = None
    """Where only hands are seen: where the person may be, to start from."""

    def start(self, human: Human, frames: npt.NDArray[np.intp]) -> FloatArray:
        """Return configurations (F, nq) to start some frames from."""
        points, worn = self.starts[frames], self.worn or self.guessed
        up = np.array([0.0, 0.0, 1.0])
        whole = np.isfinite(points[:, HIPS_AND_SHOULDERS]).all(axis=(1, 2))
        q = np.tile(human.rest, (len(frames), 1))
        if worn is not None:
            up = worn.up
            head = worn.T_world_head[frames]
            hidden = ~whole & np.isfinite(head[:, 0, 0])
            q[hidden] = under_head(human, head[hidden, :3, 3], worn.forward[frames][hidden], up)
        q[whole] = start_pose(human, points[whole])
        for side in ("left", "right"):
            q = stand(human, reach(human, q, points, side, up), points, side)
        return q


def _seen_by_static(landmarks: Landmarks, rig: Rig, camera_poses: CameraPoses, times_s: FloatArray, settings: EstimatorSettings) -> _Seen:
    observations = Observations.of(landmarks, rig, camera_poses)
    if not sees_bodies(landmarks) and np.isfinite(landmarks.pixels).any():
        return _hands_alone(landmarks, rig, camera_poses, observations, times_s, settings)
    swap = decide_sides(observations.origins[:, 0], observations.rays, observations.weight, _view_sigma(observations), times_s)
    labelled = landmarks.exchanged(swap)
    observations = Observations.of(labelled, rig, camera_poses)
    if len(landmarks.cameras) > 1:
        triangulated = triangulated_points(observations)
        return _Seen(observations, swap, triangulated, triangulated, stature_from_limbs(triangulated), False)
    stature = settings.stature or STATURE_MEAN
    T_world_camera = rig.camera(landmarks.cameras[0]).T_body_camera
    scale = shape_scale(labelled, stature / REFERENCE_STATURE * 0.5)
    observations = replace(observations, depth=DepthPrior.of(labelled, T_world_camera, scale))
    starts = np.stack(
        [place_shape(labelled, observations.rays[0, t], observations.origins[0, t], T_world_camera, scale, t) for t in range(len(times_s))]
    )
    return _Seen(observations, swap, starts, None, (stature, STATURE_SIGMA), True)


def _hands_alone(
    landmarks: Landmarks, rig: Rig, camera_poses: CameraPoses, observations: Observations, times_s: FloatArray, settings: EstimatorSettings
) -> _Seen:
    """Look at hands of which no body is seen: theirs is a guess."""
    nowhere = np.full((len(times_s), 4, 4), np.nan)
    labelled, swap = decide(landmarks, observations, replace(camera_poses, moving=landmarks.cameras), nowhere, times_s)
    observations = Observations.of(labelled, rig, camera_poses)
    triangulated = triangulated_points(observations)
    starts = with_guesses(triangulated, hand_views(labelled, observations, camera_poses))
    guessed = person_behind(starts, observations.origins[:, 0].mean(axis=0))
    stature = settings.stature or STATURE_MEAN
    alone = len(landmarks.cameras) == 1
    depth = DepthPrior.of(labelled, rig.camera(landmarks.cameras[0]).T_body_camera, stature / REFERENCE_STATURE) if alone else None
    observations = replace(observations, depth=depth, posture=PosturePrior(guessed.up, guessed.forward, None))
    return _Seen(observations, swap, starts, None if alone else triangulated, (stature, STATURE_SIGMA), True, guessed=guessed)


def _seen_by_worn(landmarks: Landmarks, rig: Rig, camera_poses: CameraPoses, times_s: FloatArray, settings: EstimatorSettings) -> _Seen:
    worn = Worn.of(camera_poses, times_s)
    observations = Observations.of(landmarks, rig, camera_poses)
    swap = np.zeros((len(landmarks.cameras), landmarks.frames), dtype=bool)
    static = [row for row, name in enumerate(landmarks.cameras) if name not in camera_poses.moving]
    if static:
        swap[static] = decide_sides(
            observations.origins[static, 0],
            observations.rays[static],
            observations.weight[static],
            _view_sigma(observations)[static],
            times_s,
        )
    labelled = landmarks.exchanged(swap)
    observations = Observations.of(labelled, rig, camera_poses)
    labelled, by_hands = decide(labelled, observations, camera_poses, worn.T_world_head, times_s)
    observations = Observations.of(labelled, rig, camera_poses)
    triangulated = triangulated_points(observations)
    starts = with_guesses(triangulated, hand_views(labelled, observations, camera_poses))
    posture = PosturePrior(worn.up, worn.forward.copy(), worn.floor)
    # Where cameras agree on both ankles the images say how the person stands; a hip behind a table is guessed by the model and tells little.
    ankles = [LANDMARK_NAMES.index(name) for name in ("left_ankle", "right_ankle")]
    posture.forward[np.isfinite(triangulated[:, ankles]).all(axis=(1, 2))] = np.nan
    observations = replace(observations, anchors=Anchors.of(camera_poses.T_world_body), posture=posture)
    observations = replace(observations, forearms=ForearmPull.of(landmarks, rig, camera_poses, swap | by_hands))
    by_limbs = stature_from_limbs(triangulated)
    by_eyes = worn.stature()
    measured = by_limbs[1] < STATURE_SIGMA or by_eyes is not None
    stature = by_limbs if by_eyes is None or by_limbs[1] < by_eyes[1] else by_eyes
    tall = settings.stature or stature[0]
    neck = NeckPull.of(worn.T_world_head, worn.forward, worn.up, tall, level=camera_poses.frame != HEAD_FRAME)
    return _Seen(replace(observations, neck=neck), swap | by_hands, starts, triangulated, stature, not measured, worn)


def master_times(landmarks: Landmarks) -> FloatArray:
    """Return (T,) the time of each frame set: the mean of its cameras' capture times."""
    with np.errstate(invalid="ignore"):
        times: FloatArray = np.nanmean(landmarks.times_s, axis=0)
    return times


def _view_sigma(observations: Observations) -> FloatArray:
    """Return (C, T) rad, the median expected error of each view's pose landmarks; 0.01 where it saw nobody."""
    used = observations.weight[..., POSE] > 0
    ordered = np.sort(np.where(used, observations.sigma_rad[..., POSE], np.inf), axis=-1)
    count = used.sum(axis=-1)
    middle = [np.take_along_axis(ordered, np.maximum(count - back, 0)[..., None] // 2, axis=-1)[..., 0] for back in (0, 1)]
    return np.asarray(np.where(count > 0, (middle[0] + middle[1]) / 2, 0.01))


def triangulated_points(observations: Observations) -> FloatArray:
    """Return every landmark of every frame (T, 75, 3) m by itself: the best pair of cameras, then all that agree; NaN where that cannot be."""
    cameras, frames = observations.weight.shape[:2]
    flat = (cameras, frames * 75)
    found = triangulate(
        np.repeat(observations.origins, 75, axis=1), observations.rays.reshape(*flat, 3), observations.weight.reshape(flat),
        np.nan_to_num(observations.sigma_rad, nan=1.0).reshape(flat),
    )  # fmt: skip
    return found.points.reshape(frames, 75, 3)


def _usable_frames(seen: _Seen) -> tuple[npt.NDArray[np.intp], FloatArray]:
    """Return the frames a pose can start in, ascending, and how well each frame (T,) is seen. Raises: DataError if there is none."""
    weight = seen.observations.weight
    usable = np.isfinite(seen.starts[:, HIPS_AND_SHOULDERS]).all(axis=(1, 2))
    score = weight[:, :, list(MAIN_JOINTS)].sum(axis=(0, 2))
    if seen.worn is not None and seen.triangulated is not None:
        wrists = [LEFT_HAND.start, RIGHT_HAND.start]
        head = np.isfinite(seen.worn.T_world_head[:, 0, 0])
        usable |= head & (weight[:, :, wrists] > 0).any(axis=(0, 2))
        # A hand that cameras agree on counts more than one that a single camera saw.
        score = score + 4.0 * np.isfinite(seen.triangulated[:, wrists, 0]).sum(axis=1) + (weight[:, :, wrists] > 0).any(axis=0).sum(axis=1)
        if not usable.any():
            raise DataError(
                "No frame shows a hand to a worn camera whose place is known, so nothing can be fitted. Check with a video player that the hands are "
                "in view and that tags of the map are, or choose another range with --start and --stop."
            )
    if seen.guessed is not None:
        usable |= (weight > 0).any(axis=(0, 2))
        score = weight.sum(axis=(0, 2))
    if not usable.any():
        raise DataError(
            "No frame shows a person's shoulders and hips to enough cameras (two with a rig, or the only one), so nothing can be fitted. "
            "Check with `bodydouble render` or a video player that a whole person is in view, or choose another range with --start and --stop."
        )
    return np.flatnonzero(usable), score


def _spread(keys: npt.NDArray[np.intp], score: FloatArray) -> npt.NDArray[np.intp]:
    """Return up to ``BONE_FRAMES`` rows of key frames (F,), ascending, spread over time among the better seen ones."""
    better = np.sort(np.argsort(-score[keys], kind="stable")[: max(BONE_FRAMES, int(np.ceil(FIT_FRAMES_SHARE * len(keys))))])
    places = np.unique(np.linspace(0, len(better) - 1, min(BONE_FRAMES, len(better))).round().astype(int))
    chosen: npt.NDArray[np.intp] = better[places]
    return chosen


def _describe(
    human: Human, configurations: FloatArray, seen: _Seen, landmarks: Landmarks, times_s: FloatArray, rig: Rig, camera_poses: CameraPoses,
    stature: float, assumed: dict[str, dict[str, float]], constants: Constants,
) -> HumanMotion:  # fmt: skip
    frames, observations = len(times_s), seen.observations
    here = BatchedKinematics.of(human, configurations)
    points, links = here.landmarks, here.link_poses
    angles = from_rest(configurations)[:, 6:]
    observed = observed_landmarks(observations, here.detected)
    known = uncertainty(human, configurations, observations, times_s)
    covariance = known.landmark_covariance + single_view_covariance(points, observations, constants.hand_share)
    if len(landmarks.cameras) == 1 and seen.worn is None:
        covariance += _assumption_error(points, observations.origins[0, :, None], assumed)[..., None, None] ** 2 * np.eye(3)
    unseen = np.isnan(landmarks.pixels[:, :, POSE]).all(axis=(2, 3))
    nobody = unseen.all(axis=0)
    flags: dict[str, npt.NDArray[np.uint8]] = {}
    if seen.guessed is not None:
        unseen = np.isnan(landmarks.pixels).all(axis=(2, 3))
        nobody = unseen.all(axis=0)
        observed = with_worn(observed, np.zeros(frames, dtype=bool))
        flags["head_pose_unknown"] = np.ones(frames, dtype=np.uint8)
    if seen.worn is not None:
        unseen = np.isnan(landmarks.pixels).all(axis=(2, 3))
        head = np.isfinite(seen.worn.T_world_head[:, 0, 0])
        nobody = unseen.all(axis=0) & ~head
        flags["head_pose_unknown"] = np.asarray(~head, dtype=np.uint8)
        if seen.triangulated is not None and len(landmarks.cameras) > 1:
            # Cameras beside each other see one thing twice, and how far it is only by its size.
            observed &= np.isfinite(seen.triangulated[..., 0]) | (largest_sigma(covariance) < PLACED_SIGMA)
        observed = with_worn(observed, head & (camera_poses.frame != HEAD_FRAME or not unseen.all()))
        if observations.forearms is not None:
            observed[:, ELBOWS] |= observations.forearms.agrees(points) & observed[:, WRISTS]
        covariance[:, FACE] += float(np.mean(constants.mount_sigma[0, :3])) ** 2 * np.eye(3)
    covariance += (np.where(observed, 0.0, inferred_error()) ** 2)[..., None, None] * np.eye(3)
    landmark_source = classify(observed, times_s)
    joint_source = classify(known.joint_sigma < JOINT_SIGMA, times_s)
    strained = np.asarray(np.nan_to_num(known.median_residual) > HIGH_RESIDUAL, dtype=np.uint8)
    base = configurations[:, :7].copy()
    absent = absent_frames(observed, times_s)
    for array in (points, links, angles, base, covariance):
        array[absent] = np.nan
    landmark_source[absent] = joint_source[absent] = Source.MISSING
    relabelled = np.where(unseen, 255, seen.swap.astype(np.uint8)).astype(np.uint8)
    frame = camera_poses.frame if seen.worn is not None else "room" if not rig.assumed else "camera"
    motion = HumanMotion(
        times_s=times_s, frame=frame, link_names=LINKS, link_poses=links, joint_names=angle_names(),
        joint_angles=angles, joint_source=joint_source, base_pose=base, landmarks=points, landmark_sigma=largest_sigma(covariance),
        landmark_covariance=packed(covariance), landmark_source=landmark_source,
        bone_lengths=named_lengths(human.lengths), stature=stature, cameras=landmarks.cameras, relabelled=relabelled,
        fit_error_px=np.full(frames, np.nan), assumed=assumed, estimated=constants.mounts(), triangulated=seen.triangulated,
        flags={"no_person": np.asarray(nobody, dtype=np.uint8), "person_changed": person_changes(landmarks).astype(np.uint8),
               "high_residual": strained, **flags},
        camera_poses=camera_poses.T_world_camera if seen.worn is not None else None,
    )  # fmt: skip
    errors = reprojection_residuals(motion, landmarks, rig).error_px
    counted = np.isfinite(errors)
    squared = np.where(counted, errors, 0.0) ** 2
    count = counted.sum(axis=(0, 2))
    rms = np.sqrt(squared.sum(axis=(0, 2)) / np.maximum(count, 1))
    return replace(motion, fit_error_px=np.where(count > 0, rms, np.nan))


def _assumption_error(points: FloatArray, origin: FloatArray, assumed: dict[str, dict[str, float]]) -> FloatArray:
    """Return (T, 75) m: how far what was assumed of one camera and its person may move each landmark.

    Stature and focal length scale the distance, roll and pitch turn it about the camera.
    """
    share = 0.0
    for name, item in assumed.items():
        share += item["sigma"] ** 2 if name.endswith("_rad") else (item["sigma"] / item["value"]) ** 2
    error: FloatArray = np.linalg.norm(points - origin, axis=-1) * np.sqrt(share)
    return error
