"""From the cameras of a file to a rig: poses that are poses, names that are names, errors that name the file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.rig import MountedCamera, Rig
from bodydouble.calibration.transform import is_rotation, nearest_rotation, pose_from
from bodydouble.errors import UsageError

FloatArray = npt.NDArray[np.float64]


def rigid(R: npt.ArrayLike, t: npt.ArrayLike, key: str) -> FloatArray:
    """Return the pose (4, 4) of a rotation matrix (3, 3) and a translation (3,) that a file holds under ``key``.

    A rotation that was rounded is made exact. Raises: ValueError with one sentence when it is left-handed or none.
    """
    rotation, translation = np.asarray(R, dtype=np.float64), np.asarray(t, dtype=np.float64)
    if rotation.shape != (3, 3) or translation.shape != (3,) or not (np.isfinite(rotation).all() and np.isfinite(translation).all()):
        raise ValueError(f"{key} is not a pose of finite numbers: expected a 3x3 rotation and 3 numbers of a translation")
    if not is_rotation(rotation):
        determinant = float(np.linalg.det(rotation))
        fault = "is left-handed" if determinant < 0 else "has axes that are not perpendicular and of length 1"
        raise ValueError(f"{key} {fault} (determinant {determinant:+.4f}); expected a right-handed rotation")
    return pose_from(nearest_rotation(rotation), translation)


def rigid_from_matrix(matrix: npt.ArrayLike, key: str) -> FloatArray:
    """Return the pose (4, 4), or (3, 4) without its last row, that a file holds under ``key``. Raises: ValueError with one sentence."""
    T = np.asarray(matrix, dtype=np.float64)
    if T.shape not in ((4, 4), (3, 4)) or (T.shape == (4, 4) and not np.array_equal(T[3], [0, 0, 0, 1])):
        raise ValueError(f"{key} is not a pose: expected a 4x4 matrix whose last row is 0, 0, 0, 1")
    return rigid(T[:3, :3], T[:3, 3], key)


def rig_from_file(path: Path, cameras: Iterable[MountedCamera], name: str | None = None) -> Rig:
    """Return the rig of a file's cameras, with the bodies in the order in which cameras mention them.

    Raises: UsageError naming the file for two cameras of one name, and for whatever a rig cannot be.
    """
    listed = list(cameras)
    check_names(path, [camera.name for camera in listed])
    by_name = {camera.name: camera for camera in listed}
    bodies = tuple(dict.fromkeys(camera.body for camera in by_name.values()))
    try:
        return Rig(name or Path(path).name.split(".")[0], bodies, by_name)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None


def check_names(path: Path, names: Sequence[str]) -> None:
    """Raise UsageError when two cameras of a file have one name."""
    for index, name in enumerate(names):
        if name in names[:index]:
            raise UsageError(f"{path} holds two cameras named '{name}'.")


def only_body(rig: Rig, fmt: str) -> str:
    """Return the one body that all cameras are mounted on. Raises: UsageError when there are several, which ``fmt`` cannot hold."""
    bodies = sorted({camera.body for camera in rig.cameras.values()})
    if len(bodies) > 1:
        raise UsageError(
            f"{fmt} has one frame for all cameras, but those of rig '{rig.name}' are mounted on {', '.join(bodies)}; select those of one body."
        )
    return bodies[0]


def cannot_hold(camera: MountedCamera, fmt: str, models: Sequence[str]) -> UsageError:
    """Return the error for a camera whose model a format has no way to write."""
    return UsageError(f"camera '{camera.name}' has a {type(camera.model).__name__}, which {fmt} cannot hold; it holds {', '.join(models)}.")
