"""All that stands in a simulated room at one instant, as triangles to cast rays at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from bodydouble.errors import UsageError
from bodydouble.hand_pose.simulation.body import Body
from bodydouble.hand_pose.simulation.light import ambient_on, light_on
from bodydouble.hand_pose.simulation.look import Look
from bodydouble.hand_pose.simulation.moment import Moment, Part
from bodydouble.hand_pose.simulation.object_meshes import helmet, mesh_of
from bodydouble.hand_pose.simulation.scene_object import SceneObject

FloatArray = npt.NDArray[np.float64]
Float32Array = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

NOTHING = -1
"""Surface of a ray that leaves the scene."""
FIRST_FACE = len(Part)
"""Surfaces below are the person's ``Part``s; from here on faces of the helmet, the furniture and the objects."""
HELMET = "helmet"
_EDGES_DARKER = 0.3
"""How much darker skin and cloth get where they turn away from the camera, so that fingers stand out from each other."""
_HAIR_STARTS_M = 0.045
_CLOTH_M = {
    (Part.TORSO, Part.LEFT_ARM, Part.RIGHT_ARM, Part.LEFT_LEG, Part.RIGHT_LEG): 0.005,
    (Part.LEFT_FOOT, Part.RIGHT_FOOT): 0.011,  # toes disappear in a shoe
}
"""How thick cloth and shoes are, outside of the skin."""
_GLOVE_M = 0.0015
_IRIS_COS = 0.86


@dataclass(frozen=True, eq=False)
class Hits:
    """What N rays met first."""

    triangle: IntArray
    """(N,) index of the triangle; the last one for nothing."""
    distance_m: Float32Array
    """(N,) infinite for nothing."""
    weights: Float32Array
    """(N, 2) of the triangle's second and third corner."""


class SceneBuilder:
    """Knows which triangles a scene has; all scenes of a recording have the same ones, at other places."""

    def __init__(self, body: Body, furniture: Sequence[SceneObject], objects: Sequence[SceneObject], look: Look) -> None:
        for thing in furniture:
            if thing.T_world_object is None:
                raise UsageError(f"furniture '{thing.name}' has no place in the room; expected its T_world_object.")
        self.body, self.furniture, self.objects = body, tuple(furniture), tuple(objects)
        self._add_body(body, look)
        self._add_things(look)

    def _add_body(self, body: Body, look: Look) -> None:
        """Give each part vertices of its own where two parts meet, so that colours change at a line."""
        part = body.part.astype(np.int64)
        key = body.triangles.astype(np.int64) * len(Part) + part[:, None]
        corners, index = np.unique(key, return_inverse=True)
        self._skin, of_part = corners // len(Part), corners % len(Part)
        albedo = look.of_parts()[of_part]
        at_rest = body.vertices[self._skin]
        cloth = ~np.isin(of_part, [Part.HEAD, Part.LEFT_HAND, Part.RIGHT_HAND])
        albedo[cloth] *= (1 + _folds(at_rest[cloth]))[:, None]
        albedo[_hair(body, at_rest, of_part)] = look.hair
        _paint_eyes(body, self._skin, at_rest, albedo)
        self._albedo = albedo.astype(np.float32)
        thick = np.zeros(len(Part), dtype=np.float32)
        for parts, metres in _CLOTH_M.items():
            thick[list(parts)] = metres
        if look.gloves is not None:
            thick[[Part.LEFT_HAND, Part.RIGHT_HAND]] = _GLOVE_M
        self._thickness = thick[of_part][:, None]
        triangles = index.reshape(-1, 3).astype(np.uint32)
        self._triangles, self._surface = [triangles], [part]
        F, V = len(body.triangles), len(body.vertices)
        from scipy.sparse import csr_array

        # Sums the normals of the faces around every vertex, of whatever parts: skin stays smooth across a cuff.
        around = csr_array((np.ones(3 * F, dtype=np.float32), (body.triangles.ravel(), np.repeat(np.arange(F), 3))), shape=(V, F))
        self._around = around

    def _add_things(self, look: Look) -> None:
        self._things: list[tuple[str, FloatArray | None, Any]] = [(HELMET, None, helmet())]
        colours = [look.helmet]
        for thing in self.furniture + self.objects:
            self._things.append((thing.name, thing.T_world_object, mesh_of(thing)))
            colours.append(thing.colour_rgb)
        names = [name for name, _, _ in self._things]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise UsageError(f"two things in the scene are called '{min(twice)}'; expected a name of its own for each.")
        first_vertex, surface, albedo = len(self._skin), FIRST_FACE, []
        self.faces: dict[str, int] = {}
        for (name, _, mesh), colour in zip(self._things, colours, strict=True):
            self._triangles.append(mesh.triangles.astype(np.uint32) + np.uint32(first_vertex))
            self._surface.append(mesh.face.astype(np.int64) + surface)
            self.faces[name] = surface
            first_vertex += len(mesh.vertices)
            surface += int(mesh.face.max()) + 1
            albedo.append(np.broadcast_to(np.array(colour, dtype=np.float32), (len(mesh.vertices), 3)))
        self.triangles = np.concatenate(self._triangles)
        self.surface = np.concatenate([*self._surface, [NOTHING]]).astype(np.int16)
        self.albedo = np.concatenate([self._albedo, *albedo])

    def at(self, moment: Moment) -> Scene:
        """Return the scene of a moment. Raises: UsageError if an object has no place in it."""
        skin = moment.vertices
        corner = skin[self.body.triangles]
        face_normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
        vertices, normals = [skin[self._skin]], [(self._around @ face_normal)[self._skin]]
        for name, T_world_object, mesh in self._things:
            T = moment.T_world_body.get(HELMET) if name == HELMET else T_world_object
            if T is None:
                T = moment.T_world_object.get(name)
            if T is None:
                if name != HELMET:
                    raise UsageError(f"the moment at {moment.time_s:g} s does not say where object '{name}' is.")
                T = np.diag([0.0, 0.0, 0.0, 1.0])  # nobody wears one: it shrinks to nothing
            for parts, values in zip((vertices, normals), mesh.moved(T), strict=True):
                parts.append(values.astype(np.float32))
        normal = np.concatenate(normals)
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-20)
        vertices[0] += self._thickness * normal[: len(self._skin)]
        return Scene(self, np.concatenate(vertices), normal)


class Scene:
    """Triangles at one instant, with the light on them."""

    def __init__(self, builder: SceneBuilder, vertices: Float32Array, normals: Float32Array) -> None:
        self.builder, self.vertices, self.normals = builder, vertices, normals
        self.lit = builder.albedo * light_on(normals)[:, None]
        """(V, 3) colour of every vertex in the light, 0 to 255."""

    @cached_property
    def kept_in_shade(self) -> Float32Array:
        """(F,) share of its light that each triangle keeps where the key light is blocked; 1 where it faces away from it."""
        normal = self.normals[self.builder.triangles].sum(axis=1)
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
        return np.asarray(ambient_on(normal) / light_on(normal), dtype=np.float32)

    @cached_property
    def _caster(self) -> Any:
        from open3d.core import Tensor
        from open3d.t.geometry import RaycastingScene

        caster = RaycastingScene(nthreads=1)
        caster.add_triangles(Tensor.from_numpy(self.vertices), Tensor.from_numpy(self.builder.triangles))
        return caster

    def cast(self, rays: Float32Array) -> Hits:
        """Return what rays (N, 6), origin and direction in the world, meet first."""
        from open3d.core import Tensor

        found = self._caster.cast_rays(Tensor.from_numpy(rays), nthreads=1)
        triangle = found["primitive_ids"].numpy().astype(np.int64)
        np.minimum(triangle, len(self.builder.triangles), out=triangle)
        return Hits(triangle, found["t_hit"].numpy(), found["primitive_uvs"].numpy())

    def blocked(self, rays: Float32Array) -> npt.NDArray[np.bool_]:
        """Tell which rays (N, 6) meet anything."""
        from open3d.core import Tensor

        return np.asarray(self._caster.test_occlusions(Tensor.from_numpy(rays), nthreads=1).numpy())

    def colours_from(self, eye: FloatArray) -> Float32Array:
        """Return (V, 3) the vertices' colours as seen from a place (3,)."""
        count = len(self.builder._skin)
        towards = eye.astype(np.float32) - self.vertices[:count]
        facing = np.einsum("ij,ij->i", towards, self.normals[:count]) / np.maximum(np.linalg.norm(towards, axis=1), 1e-9)
        colours = self.lit.copy()
        colours[:count] *= (1 - _EDGES_DARKER * np.square(1 - np.clip(facing, 0, 1)))[:, None]
        return np.minimum(colours, 255, out=colours)


def _folds(at_rest: Float32Array) -> Float32Array:
    """Return by what share cloth is brighter or darker at places (N, 3) of the body at rest."""
    x, y, z = at_rest.T
    return np.asarray(
        0.035 * np.sin(38 * z + 9 * np.sin(17 * x) + 6 * y) + 0.03 * np.sin(61 * (x + 0.5 * z) - 23 * y + 2 * np.sin(31 * z)),
        dtype=np.float32,
    )


def _hair(body: Body, at_rest: Float32Array, of_part: IntArray) -> npt.NDArray[np.bool_]:
    """Tell which vertices are covered with hair: the back and the top of the head, judged from the eyes and ears."""
    eyes, ears = body.landmarks[[2, 5]].mean(axis=0), body.landmarks[[7, 8]].mean(axis=0)
    behind = at_rest[:, 0] < ears[0] - 0.01 + 0.5 * np.maximum(at_rest[:, 2] - ears[2] - 0.02, 0)
    above = (at_rest[:, 2] > eyes[2] + _HAIR_STARTS_M) & (at_rest[:, 0] < eyes[0] + 0.03)
    return np.asarray((of_part == Part.HEAD) & ((behind & (at_rest[:, 2] > ears[2] - 0.06)) | above))


def _paint_eyes(body: Body, skin: IntArray, at_rest: Float32Array, albedo: Float32Array) -> None:
    """Give the eyeballs white and iris, if the body has them."""
    bones = np.array(body.bones)[body.follows[skin, np.argmax(body.weights[skin], axis=1)]]
    for name in ("eye.L", "eye.R"):
        ball = np.flatnonzero(bones == name)
        if len(ball):
            outwards = at_rest[ball] - at_rest[ball].mean(axis=0)
            ahead = outwards[:, 0] / np.maximum(np.linalg.norm(outwards, axis=1), 1e-9)
            albedo[ball] = np.where((ahead > _IRIS_COS)[:, None], np.float32(50), np.float32(232))
