"""The pull of forearms that were seen on elbow and wrist."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.calibration import Rig
from bodydouble.hand_pose.camera_poses import ROOM, CameraPoses, body_poses
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES, LEFT_HAND, RIGHT_HAND, Landmarks

FloatArray = npt.NDArray[np.float64]

ELBOWS = [LANDMARK_NAMES.index(f"{side}_elbow") for side in ("left", "right")]
WRISTS = [LANDMARK_NAMES.index(f"{side}_wrist") for side in ("left", "right")]
CORRELATED = 2.0
"""What the images of neighbouring frames say of a forearm is alike: this many count as one."""


@dataclass(frozen=True)
class ForearmPull:
    """Directions from wrist to elbow over T frames, in the world."""

    direction: FloatArray
    """(T, 2, 3) of the left and the right forearm; 0 where not seen."""
    information: FloatArray
    """(T, 2, 3, 3) in 1/rad^2, zero along the direction; 0 where not seen."""

    @classmethod
    def of(cls, landmarks: Landmarks, rig: Rig, camera_poses: CameraPoses, swap: npt.NDArray[np.bool_]) -> ForearmPull | None:
        """Take the forearms of ``landmarks`` whose views (C, T) ``swap`` exchanges; None where none were looked for.

        A forearm goes with its hand: to the side that most of the views that see the hand are given.
        """
        seen = landmarks.forearms
        if seen is None:
            return None
        T = body_poses(rig, seen.body, camera_poses)
        R = T[:, None, :3, :3]
        direction = np.einsum("tsij,tsj->tsi", np.broadcast_to(R, (len(T), 2, 3, 3)), seen.direction)
        information = R @ seen.information @ np.swapaxes(R, -1, -2)
        hands = np.stack([np.isfinite(landmarks.pixels[:, :, rows, 0]).any(axis=2) for rows in (LEFT_HAND, RIGHT_HAND)], axis=2)
        hands[[rig.camera(name).body == ROOM for name in landmarks.cameras]] = False
        votes = (hands * np.where(swap, 1, -1)[..., None]).sum(axis=(0, 2))
        exchanged = votes > 0
        direction[exchanged], information[exchanged] = direction[exchanged][:, ::-1], information[exchanged][:, ::-1]
        return cls(np.nan_to_num(direction), np.nan_to_num(information) / CORRELATED)

    @property
    def seen(self) -> npt.NDArray[np.bool_]:
        """(T, 2) True where a forearm was seen."""
        return np.asarray(np.any(self.direction != 0.0, axis=2))

    def add(self, points: FloatArray, information: FloatArray, gradient: FloatArray) -> FloatArray:
        """Add the pull on landmarks (T, 75, 3) to information (T, 75, 3, 3) and gradient (T, 75, 3) in place; return its robust cost (T,).

        Elbow and wrist are pulled as if the other one stood still, which a few more iterations make up for.
        """
        arm, length, squared = self._off(points)
        weight = (1.0 / (1.0 + squared) / length**2)[..., None, None]
        pull = np.einsum("tsij,tsj->tsi", weight * self.information, arm)
        information[:, ELBOWS] += weight * self.information
        gradient[:, ELBOWS] += pull
        information[:, WRISTS] += weight * self.information
        gradient[:, WRISTS] -= pull
        return np.asarray(np.log1p(squared).sum(axis=1))

    def cost(self, points: FloatArray) -> FloatArray:
        """Return the cost (T,) of landmarks (T, 75, 3): Cauchy's loss of the direction's error."""
        return np.asarray(np.log1p(self._off(points)[2]).sum(axis=1))

    def _off(self, points: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return forearms (T, 2, 3), their lengths (T, 2) and the squared errors (T, 2) of their directions; one that points back counts as far off."""
        arm = points[:, ELBOWS] - points[:, WRISTS]
        length = np.maximum(np.linalg.norm(arm, axis=2), 1e-6)
        squared = np.einsum("tsi,tsij,tsj->ts", arm, self.information, arm) / length**2
        back = np.einsum("tsi,tsi->ts", arm, self.direction) < 0
        most = np.trace(self.information, axis1=2, axis2=3) / 2
        return arm, length, np.where(back & self.seen, np.maximum(squared, most), squared)

    def agrees(self, points: FloatArray) -> npt.NDArray[np.bool_]:
        """Return (T, 2) True where a forearm was seen that landmarks (T, 75, 3) explain: within the 95 % region of its direction."""
        return self.seen & (self._off(points)[2] * CORRELATED < 5.99)

    def select(self, frames: npt.NDArray[np.intp]) -> ForearmPull:
        """Return those of some frames."""
        return ForearmPull(self.direction[frames], self.information[frames])
