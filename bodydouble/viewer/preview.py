"""The preview of an episode: every camera with the fitted skeleton, beside the robot in the same pose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bodydouble.atomic import replacing
from bodydouble.errors import DataError, FileExistsUsageError, UnknownNameError, UsageError
from bodydouble.progress import Progress, silent
from bodydouble.viewer.framing import around_person, whole
from bodydouble.viewer.layout import Layout, arrange
from bodydouble.viewer.overlay import camera_picture, projected_landmarks
from bodydouble.viewer.robot_renderer import RobotRenderer
from bodydouble.viewer.robot_view import FRONT, RobotView, choose_view
from bodydouble.viewer.skeleton import LEFT, RIGHT
from bodydouble.viewer.text import shortened, write

if TYPE_CHECKING:
    from bodydouble.datasets import Episode

FloatArray = npt.NDArray[np.float64]
Image = npt.NDArray[np.uint8]

BACKGROUND = (17, 19, 23)
GRADE_COLOURS = {"A": (90, 205, 110), "B": (170, 205, 90), "C": (240, 190, 70), "D": (240, 95, 85)}
CLOCK = 90_000
"""Ticks a second of the video's time stamps: the usual clock of MPEG, fine enough for true capture times."""


@dataclass(frozen=True)
class Preview:
    """What was rendered."""

    path: Path
    frames: int
    size: tuple[int, int]
    duration_s: float
    view: str


class Composer:
    """Puts together the picture of any one frame of an episode.

    Raises: UnknownNameError when ``view`` is neither a camera nor "front", or the episode's robot is not known.
    """

    def __init__(
        self,
        episode: Episode,
        *,
        size: tuple[int, int] | None = None,
        view: str | None = None,
        robot: str | Path | None = None,
        whole_images: bool = False,
    ) -> None:
        from bodydouble.retarget import Robot

        self.episode = episode
        sizes = [(int(w), int(h)) for w, h in episode.recording.image_size]
        self._pixels = {camera: projected_landmarks(episode, camera) for camera in episode.cameras}
        self._crops = whole(sizes) if whole_images else around_person(list(self._pixels.values()), sizes)
        self.layout: Layout = arrange([(crop[2], crop[3]) for crop in self._crops], size)
        loaded = Robot.load(robot or episode.trajectory.robot)
        columns = _columns(loaded.joint_names, episode.trajectory.joint_names, loaded.name)
        self._positions = episode.trajectory.positions[:, columns]
        self._renderer = RobotRenderer(loaded)
        self.view = choose_view(episode) if view is None else view
        if self.view not in (FRONT, *episode.cameras):
            raise UnknownNameError("view", self.view, "the episode", (FRONT, *episode.cameras))
        self._robot_view = RobotView(episode, self._positions, self._renderer, self.view, (self.layout.robot[2], self.layout.robot[3]))

    def frame(self, index: int) -> Image:
        """Return RGB uint8 (H, W, 3) of one frame."""
        episode, layout = self.episode, self.layout
        canvas = np.empty((layout.size[1], layout.size[0], 3), np.uint8)
        canvas[:] = BACKGROUND
        for camera, (x, y, w, h), crop in zip(episode.cameras, layout.cameras, self._crops, strict=True):
            canvas[y : y + h, x : x + w] = camera_picture(episode, camera, index, (w, h), self._pixels[camera], crop)
        x, y, w, h = layout.robot
        canvas[y : y + h, x : x + w] = self._robot(index, layout.cameras[0][2])
        self._footer(canvas, index)
        return canvas

    def _robot(self, index: int, camera_width: int) -> Image:
        trajectory = self.episode.trajectory
        picture = self._renderer.render(
            self._positions[index], trajectory.base_pose[index], self._robot_view.at(index), ground_z=self._robot_view.ground_z
        )
        line = max(14, min(26, camera_width // 17))
        where = "from the front" if self.view == FRONT else f"seen from {self.view}"
        end = write(picture, trajectory.robot, (10, line + 1), height=line, bold=True, colour=(40, 46, 54))
        write(picture, where, (end + line // 2, line + 1), height=line, colour=(90, 98, 108))
        flags = [name.replace("_", " ") for name, flag in trajectory.flags.items() if flag[index] == 1]
        flags += [name.replace("_", " ") for name, flag in self.episode.motion.flags.items() if flag[index] == 1]
        for row, note in enumerate(dict.fromkeys(flags)):
            write(picture, note, (10, (2 + row) * (line + 4)), height=line * 3 // 4, colour=(190, 70, 40))
        return picture

    def _footer(self, canvas: Image, index: int) -> None:
        episode = self.episode
        left, top, width, height = self.layout.footer
        line = round(height * 0.62)
        baseline = top + round(height * 0.74)
        end = write(
            canvas,
            f"grade {episode.grade}",
            (left + 4, baseline),
            height=line,
            bold=True,
            colour=GRADE_COLOURS.get(episode.grade, (235,) * 3),
        )
        time = episode.times_s[index] - episode.times_s[0]
        end = write(canvas, f"{time:7.3f} s", (end + line, baseline), height=line)
        end = write(canvas, f"frame {index + 1} of {episode.frames}", (end + line, baseline), height=line, colour=(160, 168, 178))
        right = left + width
        if width > 34 * line:
            legend = (("left", LEFT), ("right", RIGHT), ("dim: not observed", (150, 156, 164)))
            right -= 17 * line
            x = right
            for text, colour in legend:
                x = write(canvas, text, (x, baseline), height=line, colour=colour) + line
        if episode.task and end + line < right - 4 * line:
            write(canvas, shortened(episode.task, (right - end - 2 * line) // line * 2), (end + line, baseline), height=line)


def _columns(robot: tuple[str, ...], episode: tuple[str, ...], name: str) -> list[int]:
    """Return where each joint of the robot is in the episode. Raises: DataError when their joints are not the same."""
    other = sorted(set(robot) ^ set(episode))
    if other:
        raise DataError(
            f"the episode cannot be drawn as robot '{name}': {len(other)} joints are in one and not in the other ({', '.join(other[:3])}). "
            "It was made for another robot or version; give that robot's file with --robot, or process the recording again."
        )
    return [episode.index(joint) for joint in robot]


def render_preview(
    episode: Episode,
    out: Path,
    *,
    size: tuple[int, int] | None = None,
    view: str | None = None,
    robot: str | Path | None = None,
    whole_images: bool = False,
    max_fps: float = 30.0,
    force: bool = False,
    progress: Progress = silent,
) -> Preview:
    """Write the preview as an H.264 video (mp4, yuv420p) that runs in true time.

    ``size`` is (width, height), even, or as large as the cameras need; ``view`` a camera whose side the robot is seen from, or "front";
    frames closer together than ``max_fps`` allows are left out; cameras are cut to the person unless ``whole_images``. ``progress`` counts frames.

    Raises: FileExistsUsageError if ``out`` exists and not ``force``; UnknownNameError, UsageError, DataError, OutOfSpaceError.
    """
    import av

    out = Path(out)
    if out.exists() and not force:
        raise FileExistsUsageError(out)
    shown = frames_at_rate(episode.times_s, max_fps)
    composer = Composer(episode, size=size, view=view, robot=robot, whole_images=whole_images)
    width, height = composer.layout.size
    times = episode.times_s[shown] - episode.times_s[shown[0]]
    step = float(np.median(np.diff(times))) if len(times) > 1 else 1 / max_fps
    with replacing(out, new=not force) as partial, av.open(str(partial), "w", format="mp4", options={"movflags": "faststart"}) as container:
        stream = container.add_stream(
            "libx264", rate=Fraction(1 / step).limit_denominator(1001), options={"preset": "veryfast", "crf": "20"}
        )
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = Fraction(1, CLOCK)
        for done, (index, time) in enumerate(zip(shown, times, strict=True), start=1):
            picture = av.VideoFrame.from_ndarray(composer.frame(int(index)), format="rgb24")
            picture.pts, picture.time_base = round(float(time) * CLOCK), Fraction(1, CLOCK)
            container.mux(stream.encode(picture))
            progress(float(done), float(len(shown)))
        container.mux(stream.encode(None))
    return Preview(out, len(shown), (width, height), float(times[-1] + step), composer.view)


def render_contact_sheet(
    episode: Episode,
    out: Path,
    *,
    frames: Sequence[int] | None = None,
    size: tuple[int, int] | None = None,
    view: str | None = None,
    robot: str | Path | None = None,
    whole_images: bool = False,
    force: bool = False,
) -> None:
    """Write some frames of the preview below each other as one PNG; by default three, spread evenly.

    Raises: FileExistsUsageError if ``out`` exists and not ``force``; UsageError for a frame that is not there.
    """
    import cv2

    out = Path(out)
    if out.exists() and not force:
        raise FileExistsUsageError(out)
    chosen = np.linspace(0, episode.frames - 1, min(3, episode.frames)).astype(int).tolist() if frames is None else list(frames)
    for index in chosen:
        if not 0 <= index < episode.frames:
            raise UsageError(f"frame {index} does not exist; the episode has frames 0 to {episode.frames - 1}.")
    composer = Composer(episode, size=size, view=view, robot=robot, whole_images=whole_images)
    sheet = np.concatenate([composer.frame(index) for index in chosen])
    _, data = cv2.imencode(".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
    with replacing(out, new=not force) as partial:
        partial.write_bytes(data.tobytes())


def frames_at_rate(times_s: FloatArray, max_fps: float) -> npt.NDArray[np.intp]:
    """Return the frames to show: all, or as many evenly spaced in true time as ``max_fps`` allows.

    Raises: UsageError for no frames or a rate that is not positive.
    """
    if not max_fps > 0:
        raise UsageError(f"a preview of {max_fps:g} frames a second is not possible; give a rate above 0.")
    if len(times_s) == 0:
        raise DataError("the episode has no frames to show.")
    slot = np.floor((times_s - times_s[0]) * max_fps + 1e-3)
    _, first = np.unique(slot, return_index=True)
    return np.sort(first)
