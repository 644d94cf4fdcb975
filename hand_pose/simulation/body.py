"""A simulated person's body: skin at rest, bones, which skin follows which bone, and where the landmarks sit."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from bodydouble.errors import DataError
from bodydouble.frozen_arrays import freeze_arrays
from bodydouble.guarded_file import new_hdf5_file

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Posed:
    """A body in one pose, in the world. ``vertices`` (V, 3) float32, ``joints`` (B, 3), ``landmarks`` (75, 3), ``T_world_bone`` (B, 4, 4):
    the axes of every bone's frame are the body's own (x forward, y left, z up) when it is at rest, its origin the joint."""

    vertices: npt.NDArray[np.float32]
    joints: FloatArray
    landmarks: FloatArray
    T_world_bone: FloatArray


@dataclass(frozen=True)
class Body:
    """One person. Rest frame: x forward, y left, z up, origin between the feet on the floor. Arrays are read-only."""

    vertices: npt.NDArray[np.float32]
    """(V, 3) skin at rest."""
    triangles: npt.NDArray[np.int32]
    """(F, 3) outside counterclockwise."""
    part: npt.NDArray[np.uint8]
    """(F,) of ``moment.Part``."""
    bones: tuple[str, ...]
    """Parents before children; the first is the root."""
    parents: npt.NDArray[np.int32]
    """(B,) -1 for the root."""
    heads: FloatArray
    """(B, 3) joint that each bone turns about, at rest."""
    follows: npt.NDArray[np.int32]
    """(V, K) bones that a vertex follows."""
    weights: npt.NDArray[np.float32]
    """(V, K) how much, summing to 1."""
    landmark_bone: npt.NDArray[np.int32]
    """(75,) bone that carries each landmark."""
    landmarks: FloatArray
    """(75, 3) at rest; rigid on its bone."""
    stature: float
    """m, floor to the top of the head, barefoot."""

    def __post_init__(self) -> None:
        V, F, B, K = len(self.vertices), len(self.triangles), len(self.bones), self.follows.shape[1]
        shapes: dict[str, tuple[tuple[int, ...], Any]] = {
            "vertices": ((V, 3), np.float32), "triangles": ((F, 3), np.int32), "part": ((F,), np.uint8), "parents": ((B,), np.int32),
            "heads": ((B, 3), np.float64), "follows": ((V, K), np.int32), "weights": ((V, K), np.float32),
            "landmark_bone": ((75,), np.int32), "landmarks": ((75, 3), np.float64),
        }  # fmt: skip
        freeze_arrays(self, shapes)

    def bone(self, name: str) -> int:
        """Return the row of a bone."""
        return self.bones.index(name)

    def head(self, name: str) -> FloatArray:
        """Return (3,) the joint of a bone at rest."""
        return np.asarray(self.heads[self.bones.index(name)])

    @cached_property
    def _skinning(self) -> Any:
        from scipy.sparse import csr_array

        count, width = self.follows.shape
        rows = np.repeat(np.arange(count), width)
        shape = (count, len(self.bones))
        return csr_array((self.weights.ravel(), (rows, self.follows.ravel())), shape=shape)

    def joint_poses(self, rotations: FloatArray, T_world_root: FloatArray) -> FloatArray:
        """Return T_world_bone (B, 4, 4) for rotations (B, 3, 3) of each bone against its parent, about the axes of the rest frame."""
        poses = np.zeros((len(self.bones), 4, 4))
        poses[:, 3, 3] = 1.0
        poses[0, :3, :3] = T_world_root[:3, :3] @ rotations[0]
        poses[0, :3, 3] = T_world_root[:3, 3]
        for row in range(1, len(self.bones)):
            parent = self.parents[row]
            poses[row, :3, :3] = poses[parent, :3, :3] @ rotations[row]
            poses[row, :3, 3] = poses[parent, :3, 3] + poses[parent, :3, :3] @ (self.heads[row] - self.heads[parent])
        return poses

    def landmarks_on(self, T_world_bone: FloatArray) -> FloatArray:
        """Return the landmarks (75, 3) in the world for bone poses (B, 4, 4)."""
        T = T_world_bone[self.landmark_bone]
        offset = self.landmarks - self.heads[self.landmark_bone]
        return np.asarray(np.einsum("nij,nj->ni", T[:, :3, :3], offset) + T[:, :3, 3])

    def posed(self, rotations: FloatArray, T_world_root: FloatArray) -> Posed:
        """Return the body with each bone turned by ``rotations`` (B, 3, 3) against its parent, the root joint at ``T_world_root`` (4, 4).

        Skin by linear blending (Magnenat-Thalmann, Laperriere and Thalmann 1988), as the mesh was weighted for.
        """
        poses = self.joint_poses(rotations, T_world_root)
        affine = np.empty((len(poses), 3, 4), dtype=np.float32)
        affine[:, :, :3] = poses[:, :3, :3]
        affine[:, :, 3] = poses[:, :3, 3] - np.einsum("bij,bj->bi", poses[:, :3, :3], self.heads)
        blended = (self._skinning @ affine.reshape(len(poses), 12)).reshape(-1, 3, 4)
        vertices = np.einsum("vij,vj->vi", blended[:, :, :3], self.vertices) + blended[:, :, 3]
        return Posed(vertices.astype(np.float32), poses[:, :3, 3].copy(), self.landmarks_on(poses), poses)

    def save(self, path: Path) -> None:
        """Write to an HDF5 file."""
        with new_hdf5_file(path) as (file, _):
            for name in _ARRAYS:
                file.create_dataset(name, data=getattr(self, name))
            file.attrs["bones"], file.attrs["stature"] = list(self.bones), self.stature

    @classmethod
    def load(cls, path: Path) -> Body:
        """Read what ``save`` wrote. Raises: DataError if the file is not one of those."""
        try:
            with h5py.File(path, "r") as file:
                arrays = {name: file[name][()] for name in _ARRAYS}
                return cls(bones=tuple(str(name) for name in file.attrs["bones"]), stature=float(file.attrs["stature"]), **arrays)
        except (OSError, KeyError, ValueError) as error:
            raise DataError(f"{path} is not a simulated body of this version: {error}") from None


_ARRAYS = ("vertices", "triangles", "part", "parents", "heads", "follows", "weights", "landmark_bone", "landmarks")
