"""A strip of moments of one motion: the person above the robot, seen from one place at one scale."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bodydouble.atomic import replacing
from bodydouble.errors import DataError, FileExistsUsageError
from bodydouble.hand_pose.human_motion import HumanMotion, Source
from bodydouble.hand_pose.landmarks import LEFT_HAND, POSE, RIGHT_HAND
from bodydouble.viewer.capsule_mesh import CapsuleMesh
from bodydouble.viewer.ground import Ground
from bodydouble.viewer.robot_renderer import RobotRenderer, encode
from bodydouble.viewer.skeleton import BODY_BONES, ENDS
from bodydouble.viewer.text import shade, shortened, write
from bodydouble.viewer.view import View, view_from

if TYPE_CHECKING:
    from bodydouble.retarget import Robot, RobotTrajectory

FloatArray = npt.NDArray[np.float64]
Image = npt.NDArray[np.uint8]

MOMENTS = 10
BODY_HEIGHT, HAND_HEIGHT = 340, 250
NARROWEST, WIDEST = 190, 330
"""Size of one moment in px: as wide as what is to be seen."""
GAP, NOTES, FOOTER = 3, 52, 30
BACKGROUND = (17, 19, 23)
COLOURS = {Source.OBSERVED: (20, 96, 190), Source.INTERPOLATED: (226, 130, 20), Source.INFERRED: (138, 138, 146)}
"""Of bones, by the worst-known end."""
UNMET, NOTE = (214, 48, 40), (255, 130, 120)
FRACTION_BITS = 4
AZIMUTH, ELEVATION = np.radians(35.0), np.radians(10.0)
HAND_AZIMUTH = np.radians(60.0)
"""Counted from straight ahead: a little from the side, so that neither steps nor reaches are hidden."""
MARGIN = 1.14
FEET = slice(27, 33)
"""Rows of ankles, heels and toes."""


def draw_strip(
    motion: HumanMotion, trajectory: RobotTrajectory, robot: Robot, out: Path, *, moments: int = MOMENTS, force: bool = False
) -> None:
    """Write a PNG of evenly spaced moments: the person as a stick figure, bones coloured by how they are known, above the robot.

    Moments in which a task was not met have a red frame and name the tasks. A motion of hands alone, and a robot that is one, are shown large.
    Raises: FileExistsUsageError if ``out`` exists and not ``force``; DataError where there is nothing to draw; OutOfSpaceError.
    """
    import cv2

    out = Path(out)
    if out.exists() and not force:
        raise FileExistsUsageError(out)
    picture = strip(motion, trajectory, robot, moments=moments)
    _, data = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    with replacing(out, new=not force) as partial:
        partial.write_bytes(data.tobytes())


def strip(motion: HumanMotion, trajectory: RobotTrajectory, robot: Robot, *, moments: int = MOMENTS) -> Image:
    """Return the picture that ``draw_strip`` writes, RGB uint8 (H, W, 3)."""
    shown = evenly_spaced(motion.times_s, moments)
    scene = _Scene(motion, trajectory, robot, shown)
    width, height = scene.cell
    unmet = [unmet_at(trajectory, robot, frame) for frame in shown]
    canvas = np.empty((2 * height + 3 * GAP + (NOTES if any(unmet) else 0) + FOOTER, len(shown) * (width + GAP) + GAP, 3), np.uint8)
    canvas[:] = BACKGROUND
    for column, frame in enumerate(shown):
        left = GAP + column * (width + GAP)
        canvas[GAP : GAP + height, left : left + width] = scene.person(frame, first=column == 0)
        canvas[2 * GAP + height : 2 * (GAP + height), left : left + width] = scene.robot_picture(frame, first=column == 0)
        for row, name in enumerate(unmet[column][:3]):
            at = (left + 4, 2 * (GAP + height) + 16 + 15 * row)
            write(canvas, shortened(name.replace("_", " "), width // 7), at, height=13, colour=NOTE)
    _footer(canvas, trajectory, shown)
    return canvas


def evenly_spaced(times_s: FloatArray, count: int) -> npt.NDArray[np.intp]:
    """Return at most ``count`` frames, evenly spaced in true time from the first to the last. Raises: DataError for no frames."""
    if not len(times_s):
        raise DataError("the motion has no frames; there is nothing to draw.")
    wanted = np.linspace(times_s[0], times_s[-1], count)
    return np.unique(np.abs(times_s[:, None] - wanted).argmin(axis=0))


@dataclass(frozen=True)
class _Frame:
    """Where somebody is and how large, for a view."""

    centres: FloatArray
    """(T, 3) m."""
    low: float
    """m in the world: the lowest point, where the ground is drawn."""
    height: float
    width: float


class _Scene:
    """The moments of one motion, drawn one by one."""

    def __init__(self, motion: HumanMotion, trajectory: RobotTrajectory, robot: Robot, shown: npt.NDArray[np.intp]) -> None:
        self.motion, self.trajectory, self.robot = motion, trajectory, robot
        self._renderer = _renderer(robot)
        hands = _hands_alone(motion, robot)
        self._points, forward = _person(motion, robot)
        visible = np.concatenate([np.arange(75)[rows] for rows in hands]) if hands else np.arange(75)
        vertices = {int(t): self._renderer.points(trajectory.positions[t], trajectory.base_pose[t]) for t in shown}
        self._azimuth = float(np.arctan2(forward[1], forward[0])) + (HAND_AZIMUTH if hands else AZIMUTH)
        side = np.array([-np.sin(self._azimuth), np.cos(self._azimuth)])
        seen = {int(t): self._points[t, visible] for t in shown}
        person = _framed(seen, _centres(self._points[:, visible], hands), side, level=bool(hands))
        if hands and robot.floating:
            palms = [robot.file.skeleton[name] for name in _palms(hands) if name in robot.file.skeleton]
            places = robot.link_poses(trajectory.positions, trajectory.base_pose, palms)[:, :, :3, 3].mean(axis=1) if palms else None
            near = trajectory.base_pose[:, :3] if places is None else places
            offset = person.centres - np.nanmean([motion.landmarks[:, rows.start] for rows in hands], axis=0)
            robots = _Frame(near + np.nan_to_num(offset), person.low - 1.0, person.height, person.width)
        elif hands:
            middle = np.mean([_middle(v) for v in vertices.values()], axis=0)
            robots = _framed(vertices, np.tile(middle, (motion.frames, 1)), side, level=True)
        else:
            robots = _framed(vertices, trajectory.base_pose[:, :3].copy(), side)
            if not np.isfinite(self._points[shown][:, FEET]).any():  # hips as high as the robot's: nobody saw what they stand on
                person = replace(person, low=float(np.nanmedian(person.centres[:, 2]) - np.median(robots.centres[:, 2]) + robots.low))
        self._views = {"person": person, "robot": robots}
        self._height = MARGIN * max(person.height, robots.height)
        self._width = MARGIN * max(person.width, robots.width)
        high = HAND_HEIGHT if hands else BODY_HEIGHT
        self.cell = (int(np.clip(high * self._width / self._height, NARROWEST, WIDEST)), high)
        self._on_ground = not hands
        self._thin = hands

    def person(self, frame: int, *, first: bool) -> Image:
        """Return the stick figure of one frame."""
        view, ground = self._view("person", frame)
        picture = encode(Ground(view, ground).empty(view))
        points = self._points[frame]
        pixels = view.project(np.nan_to_num(points)).astype(np.float64)
        pixels[~np.isfinite(points).all(axis=1)] = np.nan
        _draw_bones(picture, pixels, self.motion.landmark_source[frame], hands=bool(self._thin))
        time = self.motion.times_s[frame] - self.motion.times_s[0]
        _label(picture, f"{time:.2f} s" + ("  person" if first else ""))
        return picture

    def robot_picture(self, frame: int, *, first: bool) -> Image:
        """Return the robot at one frame, framed in red where a task was not met."""
        view, ground = self._view("robot", frame)
        picture = self._renderer.render(self.trajectory.positions[frame], self.trajectory.base_pose[frame], view, ground_z=ground)
        if first:
            _label(picture, self.trajectory.robot)
        if unmet_at(self.trajectory, self.robot, frame):
            picture[:4], picture[-4:], picture[:, :4], picture[:, -4:] = UNMET, UNMET, UNMET, UNMET
        return picture

    def _view(self, whom: str, frame: int) -> tuple[View, float]:
        framed = self._views[whom]
        x, y, z = framed.centres[frame]
        if self._on_ground:
            z = framed.low + 0.5 * self._height / MARGIN
        view = view_from(self._azimuth, ELEVATION, (float(x), float(y), float(z)), self._height, self._width, self.cell)
        return view, framed.low if self._on_ground else framed.low - 0.5 * self._height


def unmet_at(trajectory: RobotTrajectory, robot: Robot, frame: int) -> list[str]:
    """Return the tasks that are not met in a frame, the worst first."""
    found = []
    for task in robot.file.tasks:
        errors = trajectory.task_errors.get(task.name)
        if task.unmet_above is not None and errors is not None and errors[frame] > task.unmet_above:
            found.append((-errors[frame] / task.unmet_above, task.name))
    return [name for _, name in sorted(found)]


def _renderer(robot: Robot) -> RobotRenderer:
    """Return what draws the robot: its visual geometry, or its capsules where that is not here."""
    if robot.urdf_path.suffix.lower() == ".urdf":
        with suppress(DataError, ValueError, RuntimeError):
            return RobotRenderer(robot)
    return RobotRenderer(robot, CapsuleMesh(robot))


def _hands_alone(motion: HumanMotion, robot: Robot) -> list[slice]:
    """Return the rows of the hands that are all there is to see, none where there is a body."""
    from bodydouble.retarget.parts import parts_of_motion, parts_of_robot

    parts = set(parts_of_motion(motion))
    if any("fingers" not in part for part in parts & set(parts_of_robot(robot))) or not parts:
        return []
    both = parts & set(parts_of_robot(robot)) or parts
    return [rows for side, rows in (("left", LEFT_HAND), ("right", RIGHT_HAND)) if f"{side} fingers" in both]


def _palms(hands: list[slice]) -> list[str]:
    return [name for name, rows in (("left_hand", LEFT_HAND), ("right_hand", RIGHT_HAND)) if rows in hands]


def _person(motion: HumanMotion, robot: Robot) -> tuple[FloatArray, FloatArray]:
    """Return the landmarks (T, 75, 3) m to draw and where is ahead (2,): as seen from its root for a robot whose base does not move."""
    from bodydouble.retarget.mapping import HUMAN_LINKS

    points = np.array(motion.landmarks)
    if not robot.floating:
        root = next((name for name in HUMAN_LINKS if name in robot.file.skeleton and name in motion.link_names), None)
        if root is not None:
            pose = motion.link(root)
            points = np.einsum("tji,tkj->tki", pose[:, :3, :3], points - pose[:, None, :3, 3])
        return points, np.array([1.0, 0.0])
    x, y, z, w = motion.base_pose[:, 3:].T
    ahead = np.stack([1 - 2 * (y**2 + z**2), 2 * (x * y + z * w)], axis=1)
    known = ahead[np.isfinite(ahead).all(axis=1)]
    return points, known.mean(axis=0) if len(known) else np.array([1.0, 0.0])


def _centres(points: FloatArray, hands: list[slice]) -> FloatArray:
    """Return what each frame's view looks at (T, 3) m: the hips, else the middle of what is there; gaps are bridged."""
    body = points[:, 23:25] if not hands and points.shape[1] == 75 else points
    counted = np.asarray(np.isfinite(body).all(axis=2))
    total = np.where(counted[..., None], body, 0.0).sum(axis=1)
    centres = np.divide(
        total, counted.sum(axis=1)[:, None], out=np.full_like(total, np.nan), where=np.asarray(counted.any(axis=1))[:, None]
    )
    known = np.flatnonzero(np.isfinite(centres).all(axis=1))
    if not len(known):
        raise DataError("nothing of the person is known in any frame of the motion; there is nothing to draw.")
    index = np.arange(len(centres))
    return np.stack([np.interp(index, known, centres[known, axis]) for axis in range(3)], axis=1)


def _framed(points: dict[int, npt.NDArray[np.floating]], centres: FloatArray, side: FloatArray, *, level: bool = False) -> _Frame:
    """Return how high and wide a view must be that holds ``points`` (frame to (N, 3) m); ``side`` (2,) is the picture's right.

    Sideways the view goes along with the centres; up and down only with ``level``.
    """
    known = {t: p[np.isfinite(p).all(axis=1)] for t, p in points.items()}
    known = {t: p for t, p in known.items() if len(p)}
    if not known:
        return _Frame(centres, float(np.nanmin(centres[:, 2])) - 0.5, 1.0, 1.0)
    low, high = min(float(p[:, 2].min()) for p in known.values()), max(float(p[:, 2].max()) for p in known.values())
    reach = max(float(np.abs((p[:, :2] - centres[t, :2]) @ side).max()) for t, p in known.items())
    tall = max(float(np.abs(p[:, 2] - centres[t, 2]).max()) for t, p in known.items())
    return _Frame(centres, low, 2 * tall if level else high - low, 2 * reach)


def _middle(points: npt.NDArray[np.floating]) -> FloatArray:
    middle: FloatArray = (points.min(axis=0).astype(np.float64) + points.max(axis=0)) / 2
    return middle


def _draw_bones(image: Image, pixels: FloatArray, source: npt.NDArray[np.uint8], *, hands: bool) -> None:
    import cv2

    doubt = np.array([9, 0, 1, 2])[source]
    known = (Source.OBSERVED, Source.INTERPOLATED, Source.INFERRED)
    ends = pixels[ENDS].mean(axis=2)
    for row in np.flatnonzero(np.isfinite(ends).all(axis=(1, 2))):
        worst = int(doubt[ENDS[row]].max())
        if worst > 2:
            continue
        (ax, ay), (bx, by) = np.round(ends[row] * 2**FRACTION_BITS).astype(int).tolist()
        width = 4 if hands or row < len(BODY_BONES) else 2
        cv2.line(image, (ax, ay), (bx, by), COLOURS[known[worst]], width, cv2.LINE_AA, FRACTION_BITS)
    if hands:
        for x, y in np.round(pixels[POSE.stop :][np.isfinite(pixels[POSE.stop :]).all(axis=1)] * 2**FRACTION_BITS).astype(int).tolist():
            cv2.circle(image, (x, y), 3 * 2**FRACTION_BITS, (250, 250, 250), -1, cv2.LINE_AA, FRACTION_BITS)


def _label(image: Image, text: str) -> None:
    shade(image, 0, 0, image.shape[1], 20)
    write(image, text, (7, 15), height=14, bold=True)


def _footer(canvas: Image, trajectory: RobotTrajectory, shown: npt.NDArray[np.intp]) -> None:
    baseline, x = canvas.shape[0] - 10, GAP + 6
    for text, colour in (*((source.name.lower(), COLOURS[source]) for source in COLOURS), ("red frame: a task was not met", UNMET)):
        canvas[baseline - 10 : baseline, x : x + 18] = colour
        x = write(canvas, text, (x + 24, baseline), height=15, colour=(210, 214, 220)) + 24
    share = float(np.mean(trajectory.flags["task_unmet"])) if "task_unmet" in trajectory.flags else 0.0
    text = f"{len(shown)} of {trajectory.frames} frames, {100 * share:.1f} % with a task unmet"
    if canvas.shape[1] - x > 9 * len(text):
        write(canvas, text, (x + 10, baseline), height=15, colour=(150, 156, 164))
