"""From a person's points and turned links to a HumanMotion: links, landmarks, how each is known, sizes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.hand_pose.human_motion import HumanMotion, Source
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES
from bodydouble.hand_pose.skeleton import REFERENCE_STATURE
from bodydouble.retarget.mapping import HUMAN_LINKS, SIDES
from bodydouble.retarget.motions.body_points import BodyPoints
from bodydouble.retarget.motions.body_size import BONES_SIGMA, TYPICAL_SIGMA, BodySize
from bodydouble.retarget.motions.foot_turns import sole
from bodydouble.retarget.motions.limb_turns import foot_direction
from bodydouble.retarget.motions.rotations import median_known, quaternions, turned, turned_back
from bodydouble.retarget.motions.trunk_turns import hip_middle
from bodydouble.retarget.motions.zero_pose import FACE, LANDMARK_OF_POINT, zero_offset

FloatArray = npt.NDArray[np.float64]

POINT_OF_LANDMARK = {landmark: point for point, landmark in LANDMARK_OF_POINT.items()} | {
    f"{side}_{landmark}": f"{side}_{point}"
    for side in SIDES
    for landmark, point in {"hand_wrist": "hand", "pinky": "little_proximal", "index": "index_proximal", "thumb": "thumb_distal"}.items()
}
"""The pose's three hand points are joints of the hand, as in the skeleton table."""


@dataclass(frozen=True)
class Assumption:
    """A number that was assumed."""

    value: float
    sigma: float = 0.0


def human_motion_of(
    body: BodyPoints, turns: dict[str, FloatArray], size: BodySize, assumed: dict[str, Assumption], placed: tuple[str, ...] = ()
) -> HumanMotion:
    """Return the motion of ``body`` whose links are turned as ``turns`` (T, 3, 3) say; a link is where its joint was measured.

    ``placed``: sides whose hand somebody put where it is: the arm's wrist is then inferred, though the hand's own is not. Heels, toe tips, the face and
    joints of the trunk that the file lacks are put where the skeleton table has them on their link, as inferred.
    """
    frames = body.frames
    body = _with_trunk_joints(body, turns, size.stature / REFERENCE_STATURE)
    body = _with_feet(body, turns, size.stature / REFERENCE_STATURE)
    poses = np.full((frames, len(HUMAN_LINKS), 4, 4), np.nan)
    missing = np.full((frames, 3, 3), np.nan)
    for row, link in enumerate(HUMAN_LINKS):
        poses[:, row, :3, :3], poses[:, row, :3, 3] = turns.get(link, missing), body.place(link)
        known = np.isfinite(poses[:, row, :3]).any(axis=(1, 2))
        poses[known, row, 3] = [0.0, 0.0, 0.0, 1.0]
    landmarks = np.full((frames, len(LANDMARK_NAMES), 3), np.nan)
    sigma = np.full((frames, len(LANDMARK_NAMES)), np.nan)
    source = np.full((frames, len(LANDMARK_NAMES)), Source.MISSING, dtype=np.uint8)
    for row, name in enumerate(LANDMARK_NAMES):
        point = POINT_OF_LANDMARK[name]
        landmarks[:, row] = body.place(point)
        source[:, row] = body.source.get(point, Source.MISSING)
        if name in [f"{side}_wrist" for side in placed]:
            source[:, row] = np.where(source[:, row] > 0, Source.INFERRED, Source.MISSING)
        if point in body.sigma:
            sigma[:, row] = np.where(np.isfinite(landmarks[:, row, 0]), body.sigma[point], np.nan)
    stature = {"value": size.stature, "sigma": BONES_SIGMA if size.measured else TYPICAL_SIGMA}
    return HumanMotion(
        times_s=body.times_s, frame="room", link_names=HUMAN_LINKS, link_poses=poses,
        joint_names=(), joint_angles=np.zeros((frames, 0)), joint_source=np.zeros((frames, 0), dtype=np.uint8),
        base_pose=np.concatenate([body.place("pelvis"), quaternions(turns.get("pelvis", missing))], axis=1),
        landmarks=landmarks, landmark_sigma=sigma, landmark_source=source, bone_lengths=size.lengths, stature=size.stature,
        cameras=(), relabelled=np.zeros((0, frames), dtype=np.uint8), fit_error_px=np.full(frames, np.nan),
        assumed={name: {"value": one.value, "sigma": one.sigma} for name, one in assumed.items()} | ({} if size.measured else {"stature": stature}),
        estimated={"stature": stature} if size.measured else {},
    )  # fmt: skip


def _with_trunk_joints(body: BodyPoints, turns: dict[str, FloatArray], scale: float) -> BodyPoints:
    """Fill in joints of the trunk and the points of the face that no file point is."""
    thorax, pelvis = turns["thorax"], turns["pelvis"]
    hips = hip_middle(body)
    shoulders = (body.place("left_upper_arm") + body.place("right_upper_arm")) / 2
    body = body.with_places({"pelvis": hips, "neck": shoulders})
    neck = body.place("neck")
    places = {
        "thorax": neck + turned(thorax, scale * zero_offset("thorax", "neck")[None]),
        "spine": hips + turned(pelvis, scale * zero_offset("spine", "pelvis")[None]),
    }
    for side in SIDES:
        # As in the table, the collar bone begins 15 % of the way from the neck to the shoulder.
        places[f"{side}_clavicle"] = neck + 0.15 * (body.place(f"{side}_upper_arm") - neck)
    if "head" in body.places or any(point in body.places for point in FACE):
        places["head"] = neck + turned(turns["neck"], scale * zero_offset("head", "neck")[None])
    body = body.with_places(places)
    head = body.place("head")
    return body.with_places({point: head + turned(turns["head"], scale * zero_offset(point, "head")[None]) for point in FACE})


def _with_feet(body: BodyPoints, turns: dict[str, FloatArray], scale: float) -> BodyPoints:
    """Fill in balls, tips and heels of feet. They lie on one sole, as deep below the ankle as the foot's measured points say."""
    for side in SIDES:
        foot, ankle = turns[f"{side}_foot"], body.place(f"{side}_foot")
        if not np.isfinite(foot_direction(body, side)).any():
            continue
        ball, tip, heel = (f"{side}_{part}" for part in ("toes", "toe_tip", "heel"))
        typical = {name: scale * zero_offset(name, f"{side}_foot") for name in (ball, tip, heel)}
        measured = {name: median_known(turned_back(foot, body.place(name) - ankle)) for name in (ball, tip, heel)}
        measured = {name: place for name, place in measured.items() if np.isfinite(place).all()}
        deep = typical[tip][2]
        if tip in measured:
            deep = measured[tip][2]
        elif heel in measured:
            deep = measured[heel][2]
        elif ball in measured and sole(body, side).measured:
            deep = measured[ball][2] * typical[tip][2] / typical[ball][2]
        shapes = {heel: np.array([typical[heel][0], 0.0, deep])}
        if ball in measured:
            toes = turns[f"{side}_toes"]
            on = typical[tip] - typical[ball]
            body = body.with_places({tip: body.place(ball) + turned(toes, np.array([[on[0], 0.0, min(deep - measured[ball][2], 0.0)]]))})
        elif tip in measured:
            shapes[ball] = measured[tip] + typical[ball] - typical[tip]
        body = body.with_places({name: ankle + turned(foot, shape[None]) for name, shape in shapes.items()})
    return body
