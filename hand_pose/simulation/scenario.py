"""A person at a task in a room, and how cameras see it: everything that a simulated recording is made of, by settings and seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.localization.tag_map import TagMap
from bodydouble.calibration.rig import MountedCamera
from bodydouble.errors import MissingDependencyError, UnknownNameError, UsageError
from bodydouble.hand_pose.simulation.extra import REMEDY, check_installed
from bodydouble.hand_pose.simulation.filmed_rig import WORN
from bodydouble.hand_pose.simulation.moment import Moment
from bodydouble.hand_pose.simulation.settings import SimulationSettings

FloatArray = npt.NDArray[np.float64]
RgbImage = npt.NDArray[np.uint8]

_DIRECTIONS = 256
_NEARBY_M, _MOST = 0.35, 0.75
"""Just outside of the skin, half of the directions lead to it."""


class Scenario(Protocol):
    """What happens, and what is seen of it. The same arguments give the same result, in whatever order and process."""

    @property
    def joint_names(self) -> tuple[str, ...]:
        """Of ``Moment.joints``."""

    @property
    def body_names(self) -> tuple[str, ...]:
        """Bodies of a rig that the person wears."""

    @property
    def object_names(self) -> tuple[str, ...]:
        """Things that are moved."""

    @property
    def person(self) -> dict[str, Any]:
        """What is known of the person, for ``Truth.settings``, e.g. stature_m."""

    @property
    def tag_map(self) -> TagMap | None:
        """Where the tags of the room are."""

    def moment(self, time_s: float) -> Moment:
        """Return the scene at a true time in s; before its start and after its end it is still."""

    def image(
        self, moments: Sequence[Moment], camera: MountedCamera, T_world_camera: Sequence[FloatArray], *, frame: int, number: int
    ) -> RgbImage:
        """Return what a camera takes: RGB uint8 (H, W, 3).

        ``moments`` are the instants within the exposure, ``T_world_camera`` (4, 4) where the camera is at each; ``frame`` and ``number``, of the frame and
        the camera, decide the noise.
        """

    def covered_image(self, camera: MountedCamera, *, frame: int, number: int) -> RgbImage:
        """Return what a camera takes whose lens is covered."""

    def visibility(self, moment: Moment, camera: MountedCamera, T_world_camera: FloatArray) -> npt.NDArray[np.uint8]:
        """Return how well a camera at a pose (4, 4) can see each landmark: (75,) of ``Visibility``."""

    def is_inside(self, moment: Moment, p_world: FloatArray) -> bool:
        """Tell whether a point (3,) is inside the person."""


MakeScenario = Callable[[SimulationSettings], Scenario]
"""Called once in every process, so it must be picklable; what it makes need not be."""


def person_scenario(settings: SimulationSettings) -> Scenario:
    """Return the person of the seed at the task, in the room of the seed.

    Raises: UnknownNameError for a task; UsageError if it takes longer than the seconds; MissingDependencyError without the extra ``simulate``.
    """
    return _PersonScenario(settings)


class _PersonScenario:
    def __init__(self, settings: SimulationSettings) -> None:
        from bodydouble.hand_pose.simulation.tasks import TASKS, make_performance

        if settings.task not in TASKS:
            raise UnknownNameError("task", settings.task, "the simulation", TASKS)
        check_installed()
        from bodydouble.hand_pose.simulation.look import Look
        from bodydouble.hand_pose.simulation.person import make_person
        from bodydouble.hand_pose.simulation.renderer import Renderer
        from bodydouble.hand_pose.simulation.room import Room

        try:
            self._body = make_person(settings.seed)
        except (ImportError, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # of the disk; what a library that does not fit raises has no number
            said = " ".join(str(error).split())
            raise MissingDependencyError(
                f"Simulating a person needs anny and torch, which are installed but do not load ({said}). {REMEDY}"
            ) from None
        self._performance = make_performance(settings.task, settings.seconds, settings.seed, self._body)
        self._room = Room.make(settings.seed, self._performance.furniture, extra_tags=self._performance.tag_places)
        gloves = any(name.partition("=")[0] == "gloves" for name in settings.faults)
        quiet: dict[str, float] = {} if settings.noise else {"noise": 0.0, "exposure": 0.0}
        look = Look.of_seed(settings.seed, gloves=gloves, shadows=settings.shadows, **quiet)
        self._renderer = Renderer(self._body, self._performance.furniture, self._performance.objects, self._room, look)

    @property
    def joint_names(self) -> tuple[str, ...]:
        return self._body.bones

    @property
    def body_names(self) -> tuple[str, ...]:
        return WORN

    @property
    def object_names(self) -> tuple[str, ...]:
        return tuple(thing.name for thing in self._performance.objects)

    @property
    def person(self) -> dict[str, Any]:
        return {"stature_m": self._body.stature}

    @property
    def tag_map(self) -> TagMap:
        return self._room.tag_map

    def moment(self, time_s: float) -> Moment:
        return self._performance.moment(time_s)

    def image(
        self, moments: Sequence[Moment], camera: MountedCamera, T_world_camera: Sequence[FloatArray], *, frame: int, number: int
    ) -> RgbImage:
        self._check_in_room(camera, T_world_camera[0], moments[0])
        if len(moments) == 1:
            return self._renderer.image(moments[0], camera.model, T_world_camera[0], frame=frame, camera=number)
        return self._renderer.blurred_image(moments, camera.model, T_world_camera, frame=frame, camera=number)

    def covered_image(self, camera: MountedCamera, *, frame: int, number: int) -> RgbImage:
        return self._renderer.covered_image(camera.model, frame=frame, camera=number)

    def visibility(self, moment: Moment, camera: MountedCamera, T_world_camera: FloatArray) -> npt.NDArray[np.uint8]:
        return self._renderer.visibility(moment, camera.model, T_world_camera)[0]

    def is_inside(self, moment: Moment, p_world: FloatArray) -> bool:
        return is_inside_skin(moment.vertices, self._body.triangles, p_world)

    def _check_in_room(self, camera: MountedCamera, T_world_camera: FloatArray, moment: Moment) -> None:
        x, y, z = T_world_camera[:3, 3]
        if not np.all((T_world_camera[:3, 3] > self._room.low) & (T_world_camera[:3, 3] < self._room.high)):
            size = " x ".join(f"{side:g}" for side in self._room.size_m)
            raise UsageError(
                f"Camera '{camera.name}' is outside of the simulated room at {moment.time_s:.2f} s: at x {x:.2f}, y {y:.2f}, z {z:.2f} m, and the room "
                f"is {size} m around the origin of the floor. Correct the last column of its T_body_camera, which is in metres on '{camera.body}'."
            )


def is_inside_skin(vertices: npt.NDArray[np.float32], triangles: npt.NDArray[np.int32], p_world: FloatArray) -> bool:
    """Tell whether a point (3,) is inside a body whose skin (V, 3), (F, 3) need not be closed: most directions lead into it nearby."""
    import open3d as o3d

    scene = o3d.t.geometry.RaycastingScene(nthreads=1)
    tensor: Any = o3d.core.Tensor
    scene.add_triangles(tensor(np.ascontiguousarray(vertices, dtype=np.float32)), tensor(np.ascontiguousarray(triangles, dtype=np.uint32)))
    heights = (np.arange(_DIRECTIONS) + 0.5) / _DIRECTIONS * 2 - 1
    angles = np.pi * (3 - np.sqrt(5)) * np.arange(_DIRECTIONS)
    around = np.sqrt(1 - heights**2)
    directions = np.stack([around * np.cos(angles), around * np.sin(angles), heights], axis=1)
    rays = np.concatenate([np.broadcast_to(p_world, directions.shape), directions], axis=1).astype(np.float32)
    distances = scene.cast_rays(tensor(rays), nthreads=1)["t_hit"].numpy()
    return bool(np.mean(distances < _NEARBY_M) > _MOST)
