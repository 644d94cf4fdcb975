"""A simulated demonstration large enough to be judged: three seconds of a person who moves arms, hands and trunk, two small cameras that show it, and the
robot that follows. Everything is a function of time, so that it can be shown late."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from bodydouble.cache import file_sha256
from bodydouble.calibration import MountedCamera, PinholeCamera, Rig
from bodydouble.datasets import Episode, RecordingInfo, judge
from bodydouble.datasets.hand_head_poses import HandHeadPoses, human_poses, robot_poses
from bodydouble.datasets.measure import quality_figures
from bodydouble.hand_pose.human import BONES, LINKS, Human, angle_names, layout
from bodydouble.hand_pose.human_motion import HumanMotion, Source
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES, LEFT_HAND, RIGHT_HAND, Landmarks
from bodydouble.hand_pose.skeleton import JOINTS, TYPICAL_LENGTHS
from bodydouble.retarget import Robot, retarget

FloatArray = npt.NDArray[np.float64]

SECONDS, RATE_HZ = 3.0, 30.0
SIZE, FOCAL_PX = (160, 90), 115.0
CAMERAS = ("left_front", "right_front")
NOISE_PX = 1.0

CENTRE = {
    "shoulder_y": -0.5, "elbow_flexion": 1.2, "mcp": 0.6, "pip": 0.7, "dip": 0.4, "thumb_cmc_flexion": 0.3, "knee_flexion": 0.1, "ankle_dorsiflexion": 0.05,
}  # fmt: skip
SWING = {
    "shoulder_x": 0.15, "shoulder_y": 0.5, "shoulder_z": 0.25, "elbow_flexion": 0.5, "forearm_pronation": 0.5, "wrist_flexion": 0.3, "mcp": 0.35, "pip": 0.4,
    "dip": 0.2, "thumb_cmc_flexion": 0.2, "lumbar_y": 0.05, "thoracic_z": 0.1, "head_z": 0.2,
}  # fmt: skip
"""rad, by the end of a joint's name; 0.02 for the others."""


@dataclass(frozen=True)
class Demonstration:
    """One person's demonstration; another ``seed`` is another person who moves otherwise."""

    seed: int
    robot: Robot = field(default_factory=lambda: Robot.load("optimus"))

    @cached_property
    def times_s(self) -> FloatArray:
        """(T,) uneven as true times are."""
        count = round(SECONDS * RATE_HZ)
        return np.arange(count) / RATE_HZ + np.random.default_rng(self.seed).uniform(-0.001, 0.001, count)

    @cached_property
    def camera_times_s(self) -> FloatArray:
        """(C, T)."""
        return np.stack([self.times_s, self.times_s + 0.002])

    @cached_property
    def _human(self) -> Human:
        random = np.random.default_rng([self.seed, 1])
        size = random.uniform(0.92, 1.06)
        return Human(np.array([TYPICAL_LENGTHS[bone] * size * random.uniform(0.98, 1.02) for bone in BONES]))

    def angles_at(self, times_s: FloatArray) -> FloatArray:
        """Return the person's joint angles (T, H)."""
        random = np.random.default_rng([self.seed, 2])
        angles = np.empty((len(times_s), len(angle_names())))
        for column, name in enumerate(angle_names()):
            centre = next((value for part, value in CENTRE.items() if name.endswith(part)), 0.0)
            swing = next((value for part, value in SWING.items() if name.endswith(part)), 0.02)
            waves = sum(
                random.uniform(0.5, 1.0)
                / (1 + k)
                * np.sin(2 * np.pi * (random.uniform(0.35, 0.7) * (1 + k) * times_s + random.uniform(0, 1)))
                for k in range(2)
            )
            angles[:, column] = centre + swing * waves
        return angles

    def base_at(self, times_s: FloatArray) -> FloatArray:
        """Return the pelvis (T, 7)."""
        sway = np.random.default_rng([self.seed, 3]).uniform(0, 1, 3)
        places = np.array([0, 0, 0.93]) + np.stack([0.03 * np.sin(2 * np.pi * (0.3 * times_s + phase)) for phase in sway], axis=1)
        turns = Rotation.from_rotvec(np.outer(0.1 * np.sin(2 * np.pi * 0.25 * times_s + sway[0]), [0, 0, 1.0]))
        return np.hstack([places, turns.as_quat()])

    def person_at(self, times_s: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return link poses (T, L, 4, 4) and landmarks (T, 75, 3)."""
        angles, base, human = self.angles_at(times_s), self.base_at(times_s), self._human
        columns = {name: column for column, name in enumerate(angle_names())}
        links, points = np.empty((len(times_s), len(LINKS), 4, 4)), np.empty((len(times_s), 75, 3))
        for t in range(len(times_s)):
            q = np.empty(layout().nq)
            q[:7] = base[t]
            for joint in JOINTS:
                if joint.axis is None:
                    q[human.positions(joint.name)] = Rotation.from_rotvec(
                        [angles[t, columns[f"{joint.name}_{axis}"]] for axis in "xyz"]
                    ).as_quat()
                else:
                    q[human.positions(joint.name)] = angles[t, columns[joint.name]]
            links[t], points[t] = human.link_poses(q), human.landmarks(q)
        return links, points

    @cached_property
    def rig(self) -> Rig:
        """Two cameras in front of the person."""
        cameras = {}
        for name, azimuth in zip(CAMERAS, (0.5, -0.4), strict=True):
            forward = -np.array([np.cos(azimuth), np.sin(azimuth), 0.15])
            forward /= np.linalg.norm(forward)
            right = np.cross(forward, [0, 0, 1.0])
            right /= np.linalg.norm(right)
            T = np.eye(4)
            T[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
            T[:3, 3] = np.array([0.1, 0, 0.95]) - 2.4 * forward
            model = PinholeCamera(SIZE, (FOCAL_PX, FOCAL_PX), ((SIZE[0] - 1) / 2, (SIZE[1] - 1) / 2))
            cameras[name] = MountedCamera(name, model, "room", T)
        return Rig("simulated", ("room",), cameras)

    def projected(self, row: int, late_s: float = 0.0) -> FloatArray:
        """Return the person (T, 75, 2) px in one camera, ``late_s`` later than its times say."""
        camera = self.rig.cameras[CAMERAS[row]]
        points = self.person_at(self.camera_times_s[row] + late_s)[1]
        return np.asarray(camera.model.project(points @ camera.T_camera_body[:3, :3].T + camera.T_camera_body[:3, 3]))

    def seen(self, row: int, late_s: float = 0.0) -> FloatArray:
        """Return detections (T, 75, 2) px: with noise, and the hands not in every frame."""
        random = np.random.default_rng([self.seed, 4, row])
        pixels = self.projected(row, late_s) + random.normal(0, NOISE_PX, (len(self.times_s), 75, 2))
        for hand in (LEFT_HAND, RIGHT_HAND):
            pixels[random.uniform(size=len(pixels)) < 0.1, hand] = np.nan
        return pixels

    def images(self, row: int, late_s: float = 0.0) -> npt.NDArray[np.uint8]:
        """Return images (T, h, w, 3): a still room, and forearms, hands and head that move."""
        import cv2

        random = np.random.default_rng([self.seed, 5, row])
        width, height = SIZE
        room = cv2.GaussianBlur(random.uniform(20, 140, (height, width, 3)).astype(np.float32), (0, 0), 2.5)
        points = dict(zip(LANDMARK_NAMES, np.swapaxes(self.projected(row, late_s), 0, 1), strict=True))
        frames = []
        for t in range(len(self.times_s)):
            image = room.copy()
            cv2.circle(image, _place(points["nose"][t]), 7 * 16, (180, 150, 140), -1, cv2.LINE_AA, 4)
            for side, colour in (("left", (230, 190, 170)), ("right", (210, 160, 150))):
                elbow, wrist, tip = (_place(points[f"{side}_{name}"][t]) for name in ("elbow", "wrist", "hand_middle_tip"))
                cv2.line(image, elbow, wrist, (60, 80, 160), 4, cv2.LINE_AA, 4)
                cv2.line(image, wrist, tip, colour, 5, cv2.LINE_AA, 4)
            image += random.normal(0, 1.5, image.shape)
            frames.append(np.clip(image, 0, 255).astype(np.uint8))
        return np.stack(frames)

    def all_images(self) -> Iterator[tuple[str, int, Any]]:
        """Give the images as ``write_episode`` takes them."""
        for row, camera in enumerate(CAMERAS):
            for frame, image in enumerate(self.images(row)):
                yield camera, frame, image

    @cached_property
    def episode(self) -> Episode:
        """The sound episode."""
        frames, links_points = len(self.times_s), self.person_at(self.times_s)
        motion = HumanMotion(
            times_s=self.times_s, frame="room", link_names=LINKS, link_poses=links_points[0], joint_names=angle_names(),
            joint_angles=self.angles_at(self.times_s), joint_source=np.full((frames, len(angle_names())), Source.OBSERVED),
            base_pose=self.base_at(self.times_s), landmarks=links_points[1], landmark_sigma=np.full((frames, 75), 0.008),
            landmark_source=np.full((frames, 75), Source.OBSERVED), bone_lengths={"upper_arm": float(self._human.lengths[BONES.index("upper_arm")])},
            stature=1.73, cameras=CAMERAS, relabelled=np.zeros((2, frames)), fit_error_px=np.full(frames, NOISE_PX),
            flags={name: np.zeros(frames, np.uint8) for name in ("person_changed", "no_person", "high_residual")},
            landmark_covariance=np.tile([0.008**2, 0, 0, 0.008**2, 0, 0.008**2], (frames, 75, 1)),
            triangulated=links_points[1] + np.random.default_rng([self.seed, 6]).normal(0, 0.01, (frames, 75, 3)),
        )  # fmt: skip
        pixels = np.stack([self.seen(row) for row in range(2)])
        shape = np.random.default_rng([self.seed, 7]).normal(0, 0.005, (2, frames, 75, 3)) + (
            motion.landmarks - motion.base_pose[:, None, :3]
        )
        landmarks = Landmarks(
            CAMERAS, self.camera_times_s, pixels, np.where(np.isnan(pixels[..., 0]), np.nan, 0.9), shape, {"model": "simulated"}
        )
        trajectory = retarget(motion, self.robot, stream=True)
        robot = {
            "name": self.robot.name,
            "toml_sha256": file_sha256(self.robot.toml_path),
            "urdf_sha256": file_sha256(self.robot.urdf_path),
        }
        return Episode(
            task="move things from one hand to the other", trajectory=trajectory, motion=motion, landmarks=landmarks, rig=self.rig,
            recording=RecordingInfo(
                name="simulated", cameras=CAMERAS, image_size=np.array([SIZE, SIZE]), times_s=self.camera_times_s,
                frame_index=np.tile(np.arange(frames), (2, 1)), crop_origin_px=np.zeros((2, 2)),
            ),
            quality=judge({**quality_figures(motion, landmarks, self.rig, trajectory), "skew_p95_ms": 2.0}),
            poses=HandHeadPoses(human_poses(motion, trajectory), robot_poses(trajectory, self.robot)),
            provenance={"simulated": True, "seed": self.seed, "robot": robot},
        )  # fmt: skip


def _place(pixel: FloatArray) -> tuple[int, int]:
    """Return a place for OpenCV's drawing, in sixteenths of a pixel."""
    return round(16 * float(pixel[0])), round(16 * float(pixel[1]))
