"""Images of a simulated scene through the real camera models."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache, cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.cameras.camera_model import CameraModel
from bodydouble.calibration.transform import invert
from bodydouble.errors import UsageError
from bodydouble.hand_pose.simulation.body import Body
from bodydouble.hand_pose.simulation.camera_rays import CameraRays
from bodydouble.hand_pose.simulation.look import Look
from bodydouble.hand_pose.simulation.moment import Moment
from bodydouble.hand_pose.simulation.room import Room
from bodydouble.hand_pose.simulation.room_view import RoomView
from bodydouble.hand_pose.simulation.scene import NOTHING, Scene, SceneBuilder
from bodydouble.hand_pose.simulation.scene_object import SceneObject
from bodydouble.hand_pose.simulation.scene_view import Paper, SceneView
from bodydouble.hand_pose.simulation.sensor import Sensor
from bodydouble.hand_pose.simulation.visibility import visibility_in

FloatArray = npt.NDArray[np.float64]
Float32Array = npt.NDArray[np.float32]
Image = npt.NDArray[np.uint8]

_KEPT_SCENES = 2


@cache
def _thread_pools() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep matrix products and OpenCV to one thread meanwhile: recordings are rendered by a process a core, and the threads would wait for each other."""
    import cv2

    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with _thread_pools().limit(limits=1, user_api="blas"):
            yield
    finally:
        cv2.setNumThreads(before)


class Renderer:
    """Draws a person, furniture and objects in a room. One is made for each process; it uses one thread.

    Colour is computed at the corners of the triangles, rays decide what is seen. Every other pixel gets a ray; between four that meet the same surface
    colours are interpolated, everywhere else each pixel gets four rays.
    """

    def __init__(
        self, body: Body, furniture: Sequence[SceneObject], objects: Sequence[SceneObject], room: Room, look: Look = Look()
    ) -> None:
        self.room, self.look = room, look
        self._builder = SceneBuilder(body, furniture, objects, look)
        self._room_view = RoomView(room)
        self._sensor = Sensor(look)
        self._rays: dict[CameraModel, CameraRays] = {}
        self._scenes: OrderedDict[int, tuple[Moment, Scene]] = OrderedDict()

    def image(self, moment: Moment, model: CameraModel, T_world_camera: FloatArray, *, frame: int = 0, camera: int = 0) -> Image:
        """Return the image (H, W, 3), RGB, that a camera takes; ``frame`` and ``camera`` decide what its sensor's noise is, along with the look's seed."""
        return self._sensor.finish(self._drawn(moment, model, T_world_camera), frame, camera)

    def blurred_image(
        self, moments: Sequence[Moment], model: CameraModel, T_world_camera: Sequence[FloatArray], *, frame: int = 0, camera: int = 0
    ) -> Image:
        """Return the mean of the images of several instants within one exposure, each with the camera's pose: motion blur."""
        total: Float32Array | None = None
        for moment, T in zip(moments, T_world_camera, strict=True):
            drawn = self._drawn(moment, model, T).astype(np.float32)
            total = drawn if total is None else np.add(total, drawn, out=total)
        if total is None:
            raise ValueError("a blurred image needs at least one moment")
        return self._sensor.finish((total / len(moments) + 0.5).astype(np.uint8), frame, camera)

    def covered_image(self, model: CameraModel, *, frame: int = 0, camera: int = 0) -> Image:
        """Return what a camera takes whose lens is covered."""
        width, height = model.image_size
        return self._sensor.finish(np.full((height, width, 3), 6, dtype=np.uint8), frame, camera)

    def visibility(self, moment: Moment, model: CameraModel, T_world_camera: FloatArray) -> tuple[npt.NDArray[np.uint8], FloatArray]:
        """Return the ``Visibility`` (75,) of each landmark and its pixel (75, 2), NaN where the lens does not image it."""
        return visibility_in(self._scene(moment), moment.landmarks, model, T_world_camera)

    def _scene(self, moment: Moment) -> Scene:
        kept = self._scenes.get(id(moment))
        if kept is None:
            kept = moment, self._builder.at(moment)  # the moment is kept too, so that its id stays its own
            self._scenes[id(moment)] = kept
            while len(self._scenes) > _KEPT_SCENES:
                self._scenes.popitem(last=False)
        return kept[1]

    def _rays_of(self, model: CameraModel) -> CameraRays:
        if model not in self._rays:
            self._rays[model] = CameraRays.of(model)
        return self._rays[model]

    @cached_property
    def _host(self) -> dict[int, int]:
        """Tag on furniture to the surface that carries it. Raises: UsageError for one that hangs in the air."""
        hosts = {}
        for tag in self._room_view.on_furniture:
            T = self.room.T_world_tag[tag]
            for thing in self._builder.furniture:
                assert thing.T_world_object is not None
                T_thing_tag = invert(thing.T_world_object) @ T
                p, n = T_thing_tag[:3, 3], T_thing_tag[:3, 2]
                axis = int(np.argmax(np.abs(n)))
                side = float(np.sign(n[axis]))
                if (
                    thing.shape == "box"
                    and abs(n[axis]) > 0.999
                    and abs(thing.distance(p)) < 0.003
                    and abs(p[axis] - side * thing.size_m[axis] / 2) < 0.003
                ):
                    hosts[int(tag)] = self._builder.faces[thing.name] + 2 * axis + int(side > 0)
                    break
            else:
                raise UsageError(
                    f"tag {tag} of the room lies on no wall, floor or face of a box of the furniture; give the renderer its furniture."
                )
        return hosts

    def _drawn(self, moment: Moment, model: CameraModel, T_world_camera: FloatArray) -> Image:
        with one_thread():
            return self._draw(moment, model, T_world_camera)

    def _draw(self, moment: Moment, model: CameraModel, T_world_camera: FloatArray) -> Image:
        rays, T = self._rays_of(model), np.asarray(T_world_camera, dtype=np.float64)
        if np.any(T[:3, 3] <= self.room.low) or np.any(T[:3, 3] >= self.room.high):
            raise UsageError(
                f"a camera at {np.round(T[:3, 3], 2).tolist()} m is outside of the room, which is {self.room.size_m} m around the origin."
            )
        out, distance = self._room_view.image(model, rays, T)
        SceneView(self._scene(moment), rays, T).draw(out, distance, self._paper(model, rays, T), shadows=self.look.shadows)
        if rays.blind is not None:
            out[rays.blind] = 0
        return out

    def _paper(self, model: CameraModel, rays: CameraRays, T_world_camera: FloatArray) -> Paper | None:
        """Return the tags on furniture as they lie in the image."""
        views = self._room_view.tags(np.array(sorted(self._host), dtype=np.int64), model, rays, T_world_camera)
        if not views:
            return None
        paper = Paper(
            np.zeros(rays.size, dtype=np.float32), np.zeros(rays.size, dtype=np.float32), np.full(rays.size, NOTHING, dtype=np.int16)
        )
        for view in views:
            # Where two tags' surroundings overlap, on faces beside each other, each keeps what it covers.
            part, cover = (view.rows, view.columns), view.cover
            more = cover > paper.cover[part]
            for target, value in ((paper.brightness, view.brightness), (paper.cover, cover)):
                target[part][more] = value[more]
            paper.surface[part][more] = self._host[view.tag]
        return paper
