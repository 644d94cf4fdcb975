"""Pictures of the robot by ray casting: no display, no GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bodydouble.viewer.capsule_mesh import CapsuleMesh
from bodydouble.viewer.ground import Ground
from bodydouble.viewer.ray_scene import RayScene
from bodydouble.viewer.robot_mesh import RobotMesh
from bodydouble.viewer.view import View

if TYPE_CHECKING:
    from bodydouble.retarget import Robot

FloatArray = npt.NDArray[np.float32]
Image = npt.NDArray[np.uint8]

KEY_COLOUR = np.array([1.0, 0.97, 0.92], np.float32) * 0.95
FILL_COLOUR = np.array([0.72, 0.82, 1.0], np.float32) * 0.28
SKY, FLOOR_BOUNCE = np.array([0.50, 0.53, 0.58], np.float32), np.array([0.24, 0.23, 0.22], np.float32)
SHADOW_BIAS = 2e-3
"""m off the surface where shadow rays start, so that a triangle does not shade itself."""
SEAM_M = 4e-3
SUBPIXELS = np.array([[-0.375, -0.125], [0.125, -0.375], [0.375, 0.125], [-0.125, 0.375]])
"""px: the rotated grid, four samples in the pixels at edges."""


class RobotRenderer:
    """Draws one robot pose after another: two lights, shadows, a ground with a grid, smooth edges.

    All triangles go into a new Open3D scene a frame: building it takes a tenth of the time of casting into it, and rays need no transform.
    """

    def __init__(self, robot: Robot, mesh: RobotMesh | CapsuleMesh | None = None) -> None:
        self._mesh = RobotMesh(robot) if mesh is None else mesh
        self._colours = linear(self._mesh.colours)
        self._grounds: dict[tuple[Any, ...], Ground] = {}

    def points(self, positions: npt.ArrayLike, base_pose: npt.ArrayLike) -> FloatArray:
        """Return the vertices (V, 3) of the robot in a pose, m in the world."""
        return self._mesh.posed(positions, base_pose)[0]

    def render(self, positions: npt.ArrayLike, base_pose: npt.ArrayLike, view: View, *, ground_z: float = 0.0) -> Image:
        """Return RGB uint8 (H, W, 3) of the robot at joint ``positions`` (J,) rad and ``base_pose`` (7,) m and quaternion xyzw.

        A pose with NaN gives the empty room. ``ground_z`` is the height of the ground in m.
        """
        ground = self._ground(view, ground_z)
        if not (np.isfinite(np.asarray(positions)).all() and np.isfinite(np.asarray(base_pose)).all()):
            return encode(ground.empty(view))
        vertices, normals = self._mesh.posed(positions, base_pose)
        scene = RayScene(vertices, self._mesh.triangles)
        light = light_direction(view)
        image = ground.with_shadow(view, scene, vertices, light)
        self._draw(image, scene, normals, view, light, _box(view.project(vertices), view.size))
        return encode(image)

    def _ground(self, view: View, z: float) -> Ground:
        """Return the ground for this direction and height of view: it is the same wherever the view stands."""
        direction = np.round(np.subtract(view.target, view.eye), 6)
        key = (*direction.tolist(), round(view.eye[2] - z, 6), round(z, 6), view.fov_deg, view.size)
        if key not in self._grounds:
            self._grounds = {key: Ground(view, z)}
        return self._grounds[key]

    def _draw(
        self, image: FloatArray, scene: RayScene, normals: FloatArray, view: View, light: FloatArray, box: tuple[int, int, int, int]
    ) -> None:
        left, top, right, bottom = box
        if left >= right or top >= bottom:
            return
        pixels = np.stack(np.meshgrid(np.arange(left, right), np.arange(top, bottom)), axis=-1).astype(np.float32)
        colour, distance, part = self._cast(scene, normals, view, light, pixels.reshape(-1, 2))
        shape = pixels.shape[:2]
        distance, part = distance.reshape(shape), part.reshape(shape)
        window = image[top:bottom, left:right]
        hit = part >= 0
        solid = np.where(hit[..., None], colour.reshape(*shape, 3), window)

        edges = _edges(distance, part)
        samples = (pixels[edges][:, None] + SUBPIXELS).reshape(-1, 2)
        colour, _, part = self._cast(scene, normals, view, light, samples)
        behind = np.repeat(window[edges], len(SUBPIXELS), axis=0)
        mixed = np.where((part >= 0)[:, None], colour, behind).reshape(-1, len(SUBPIXELS), 3)
        solid[edges] = mixed.mean(axis=1)
        solid *= np.where(hit, _crevices(distance, view), 1.0)[..., None]
        window[:] = solid

    def _cast(
        self, scene: RayScene, normals: FloatArray, view: View, light: FloatArray, pixels: npt.NDArray[np.floating]
    ) -> tuple[FloatArray, FloatArray, npt.NDArray[np.int32]]:
        """Return linear colour (N, 3), distance (N,) and primitive (N,), -1 where the ray misses the robot."""
        rays = np.empty((len(pixels), 6), np.float32)
        rays[:, :3] = view.eye
        rays[:, 3:] = view.directions(pixels)
        found = scene.cast(rays)
        hit = np.isfinite(found.distance)
        colour = np.zeros((len(pixels), 3), np.float32)
        part = np.full(len(pixels), -1, np.int32)
        if hit.any():
            face = found.triangle[hit]
            part[hit] = self._mesh.parts[face]
            uv = found.uv[hit]
            corners = normals[self._mesh.triangles[face]]
            normal = corners[:, 0] * (1 - uv[:, :1] - uv[:, 1:]) + corners[:, 1] * uv[:, :1] + corners[:, 2] * uv[:, 1:]
            normal /= np.sqrt(_dot(normal, normal))[:, None]
            points = rays[hit, :3] + rays[hit, 3:] * found.distance[hit, None]
            colour[hit] = _lit(scene, points, normal, -rays[hit, 3:], light, self._colours[face])
        return colour, found.distance, part


def light_direction(view: View) -> FloatArray:
    """Return the unit vector (3,) towards the key light: above and to the left of whoever looks."""
    right, _, forward = view.R_camera_world
    flat = np.array([forward[0], forward[1], 0.0])
    flat /= max(float(np.linalg.norm(flat)), 1e-9)
    direction = -0.55 * right - 0.62 * flat + np.array([0.0, 0.0, 1.05])
    return np.asarray(direction / np.linalg.norm(direction), dtype=np.float32)


def linear(colour: npt.ArrayLike) -> FloatArray:
    """Return linear light from sRGB in [0, 1]."""
    c = np.asarray(colour, np.float32)
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4).astype(np.float32)


def encode(image: FloatArray) -> Image:
    """Return sRGB uint8 from linear light."""
    return _SRGB[np.clip(image * 4095, 0, 4095).astype(np.uint16)]


_STEPS = np.linspace(0, 1, 4096)
_SRGB: Image = np.round(255 * np.where(_STEPS <= 0.0031308, 12.92 * _STEPS, 1.055 * _STEPS ** (1 / 2.4) - 0.055)).astype(np.uint8)


def _lit(scene: RayScene, points: FloatArray, normal: FloatArray, to_eye: FloatArray, light: FloatArray, albedo: FloatArray) -> FloatArray:
    """Shade points: key light with shadow, fill light from the other side, sky and floor as ambient, a soft highlight (Blinn and Phong)."""
    towards = normal @ light
    facing = towards > 0
    seen = np.zeros(len(points), np.float32)
    rays = np.empty((int(facing.sum()), 6), np.float32)
    rays[:, :3] = points[facing] + SHADOW_BIAS * normal[facing]
    rays[:, 3:] = light
    if len(rays):
        seen[facing] = ~scene.hidden(rays)
    key = np.maximum(towards, 0) * seen
    fill = np.maximum(normal @ (light * np.array([-1, -1, 0.35], np.float32)), 0)
    up = normal[:, 2:] * 0.5 + 0.5
    ambient = SKY * up + FLOOR_BOUNCE * (1 - up)
    half = to_eye + light
    half /= np.sqrt(_dot(half, half))[:, None]
    shine = np.maximum(_dot(normal, half), 0) ** 48 * seen
    rim = (1 - np.maximum(_dot(normal, to_eye), 0)) ** 4
    light_in = key[:, None] * KEY_COLOUR + fill[:, None] * FILL_COLOUR + ambient * 0.62
    return np.asarray(albedo * light_in + 0.22 * shine[:, None] + 0.10 * rim[:, None] * SKY, dtype=np.float32)


def _dot(a: FloatArray, b: FloatArray) -> FloatArray:
    return np.asarray(np.einsum("ij,ij->i", a, b), dtype=np.float32)


def _edges(distance: FloatArray, part: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    """Return the pixels beside which another primitive, or the ground, lies further away; a flush seam is no edge."""
    edges = np.zeros(part.shape, bool)
    depth = np.where(np.isfinite(distance), distance, 1e3)
    across = (part[:, 1:] != part[:, :-1]) & (np.abs(np.diff(depth, axis=1)) > SEAM_M)
    down = (part[1:] != part[:-1]) & (np.abs(np.diff(depth, axis=0)) > SEAM_M)
    edges[:, 1:] |= across
    edges[:, :-1] |= across
    edges[1:] |= down
    edges[:-1] |= down
    return edges


def _crevices(distance: FloatArray, view: View) -> FloatArray:
    """Return how much light reaches a pixel beside nearer surfaces, in [0.6, 1]: unsharp masking of the depth (Luft et al. 2006)."""
    import cv2

    hit = np.isfinite(distance).astype(np.float32)
    depth = np.where(hit > 0, distance, 0).astype(np.float32)
    size = 0.03 * view.focal_px / max(float(np.median(distance[hit > 0])), 1e-3) if hit.any() else 1.0
    blur = cv2.GaussianBlur(depth, (0, 0), size) / np.maximum(cv2.GaussianBlur(hit, (0, 0), size), 1e-3)
    return np.asarray(np.clip(1 - 6.0 * np.maximum(depth - blur, 0), 0.6, 1), dtype=np.float32)


def _box(pixels: FloatArray, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom (exclusive) of the pixels that can show the robot."""
    low = np.clip(np.floor(pixels.min(axis=0)) - 2, 0, size).astype(int)
    high = np.clip(np.ceil(pixels.max(axis=0)) + 3, 0, size).astype(int)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])
