"""Recording: a folder with one video a camera, the true time of every frame, and ``recording.toml``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bodydouble.capture.frame_sets import FrameSets, build_frame_sets
from bodydouble.errors import DataError, UnknownNameError, UsageError

if TYPE_CHECKING:  # pydantic alone takes a third of the time that importing this module may take
    from bodydouble.capture.settings import CameraSettings, RecordingSettings

FloatArray = npt.NDArray[np.float64]
RgbImage = npt.NDArray[np.uint8]

SETTINGS_NAME = "recording.toml"
RIG_NAME = "rig.toml"
RIG_NAMES = (RIG_NAME, "calibration.json")


@dataclass(frozen=True)
class Recording:
    """What the cameras saw, and when. Times are seconds from the start of the recording; frames are read when asked for."""

    folder: Path
    settings: RecordingSettings
    cameras: tuple[str, ...]
    """The cameras in use: all of ``settings.cameras``, or those selected."""
    times_s: dict[str, FloatArray] = field(repr=False)
    """Camera to (N,) read-only times of its frames."""

    @classmethod
    def open(cls, folder: Path, *, stills: bool = False) -> Recording:
        """Open a recording's folder; one of stills (see ``is_stills``) only where the caller says that it can do without times.

        Raises: UsageError if the folder or its ``recording.toml`` is missing or wrong; DataError if a video or its times are, or for stills.
        """
        from bodydouble.capture.settings import RecordingSettings
        from bodydouble.capture.timestamps import FILE_NAME, read_timestamps
        from bodydouble.config import load_settings

        folder = Path(folder)
        if not folder.exists():
            raise UsageError(
                f"{folder} does not exist; expected the folder of a recording. Make one with `bodydouble import VIDEO... -o {folder}`."
            )
        path = folder / SETTINGS_NAME
        if not path.is_file():
            raise UsageError(f"{folder} is not a recording: it has no {SETTINGS_NAME}. Make one with `bodydouble import VIDEO... -o REC`.")
        settings = load_settings(path, RecordingSettings)
        for name, camera in settings.cameras.items():
            if not (folder / camera.video).exists():
                raise DataError(
                    f"The video of camera '{name}' is missing: {folder / camera.video}. Put it back, or correct [cameras.{name}] in {path}."
                )
        if settings.clock == "none":
            times = _numbers_of_stills(folder, settings, wanted=stills)
        elif (folder / FILE_NAME).is_file():
            times = read_timestamps(folder / FILE_NAME, dict.fromkeys(settings.cameras))
        elif settings.clock == "container":
            times = _times_from_videos(folder, settings)
        else:
            raise DataError(
                f'{folder / FILE_NAME} is missing, though {path} says that the times are not the videos\' own (clock = "external").'
            )
        for array in times.values():
            array.flags.writeable = False
        return cls(folder, settings, tuple(settings.cameras), times)

    @property
    def is_stills(self) -> bool:
        """Whether the frames are stills of scenes at rest, the k-th of every camera of the same scene; their "times" are their numbers 0, 1, ..."""
        return self.settings.clock == "none"

    @property
    def rig_path(self) -> Path | None:
        """``rig.toml`` of the recording, else the calibration that it was imported with, or None if there is none."""
        return next((self.folder / name for name in RIG_NAMES if (self.folder / name).exists()), None)

    def select(self, cameras: Iterable[str]) -> Recording:
        """Return the recording with some of its cameras, in the order asked for. Raises: UnknownNameError; UsageError if none is named."""
        chosen = tuple(cameras)
        for name in chosen:
            self._camera(name)
        if not chosen or len(set(chosen)) != len(chosen):
            raise UsageError(
                f"Cameras '{','.join(chosen)}' were asked for; name each at least and at most once of {', '.join(self.cameras)}."
            )
        return Recording(self.folder, self.settings, chosen, self.times_s)

    def times(self, camera: str) -> FloatArray:
        """Return the true times (N,) of a camera's frames in s from the start of the recording; read-only."""
        self._camera(camera)
        return self.times_s[camera]

    def video_path(self, camera: str) -> Path:
        """Return the file of a camera's video, or its folder of images."""
        return self.folder / self._camera(camera).video

    def image_size(self, camera: str) -> tuple[int, int]:
        """Return (width, height) of a camera's images in pixels, upright."""
        from bodydouble.capture.source import image_size_of

        return self._camera(camera).image_size_px or image_size_of(self.video_path(camera))

    def crop_origin(self, camera: str) -> tuple[int, int] | None:
        """Return where the video's upper left pixel is in the calibrated image, or None if it was not declared to be a part of it."""
        return self._camera(camera).crop_origin_px

    def frames(self, camera: str, indices: Sequence[int] | npt.NDArray[np.int64] | None = None) -> Iterator[tuple[int, float, RgbImage]]:
        """Yield (index, time_s, image) of a camera's frames in order, decoding once; the image is RGB uint8 (H, W, 3).

        ``indices`` must increase; by default all frames. Raises: UsageError for an index that is not there; DataError if the video
        ends or breaks before.
        """
        from bodydouble.capture.source import read_source

        times = self.times(camera)
        wanted = np.arange(len(times)) if indices is None else np.asarray(indices, dtype=np.int64).reshape(-1)
        if len(wanted) and (wanted.min() < 0 or wanted.max() >= len(times)):
            missing = int(wanted[(wanted < 0) | (wanted >= len(times))][0])
            raise UsageError(f"Frame {missing} of camera '{camera}' does not exist; it has frames 0 to {len(times) - 1}.")
        if (np.diff(wanted) <= 0).any():
            raise UsageError(f"The frames asked for of camera '{camera}' do not increase; ask for each once, in order.")
        size = self._camera(camera).image_size_px
        for index, image in read_source(self.video_path(camera), wanted, times, seek=self.settings.clock == "container", size=size):
            found = (image.shape[1], image.shape[0])
            if size is not None and found != size:
                raise DataError(
                    f"Frame {index} of camera '{camera}' is {found[0]}x{found[1]} px; "
                    f"{self.folder / SETTINGS_NAME} says {size[0]}x{size[1]}."
                )
            yield index, float(times[index]), image

    def read(self, camera: str, index: int) -> RgbImage:
        """Return one frame as RGB uint8 (H, W, 3). Raises: as ``frames``."""
        return next(image for _, _, image in self.frames(camera, [index]))

    def frame_sets(
        self, start_s: float | None = None, stop_s: float | None = None, start: int | None = None, stop: int | None = None,
        clock_offset_s: Mapping[str, float] = {},
    ) -> FrameSets:  # fmt: skip
        """Put the cameras in step by time, over all of the recording, seconds [start_s, stop_s) or the master's frames [start, stop).

        ``clock_offset_s`` maps a camera to its true capture time minus the stamped one, where that was calibrated; all times returned are then
        the true ones. Stills are put in step by their numbers. Raises: UsageError if the range is empty or outside the recording, or in seconds of stills;
        DataError for cameras with different numbers of stills.
        """
        if self.is_stills:
            self._check_in_step()
            if start_s is not None or stop_s is not None:
                raise UsageError(f"Recording '{self.settings.name}' holds stills, which have no times; give the range in frames.")
        times = {name: self.times_s[name] + clock_offset_s.get(name, 0.0) for name in self.cameras}
        return build_frame_sets(times, start_s=start_s, stop_s=stop_s, start=start, stop=stop)

    def content_key(self, cameras: Sequence[str] | None = None) -> str:
        """Return a hash of the videos, times and crop origins of some cameras (by default all in use), for a stage's cache."""
        from bodydouble.cache import content_key
        from bodydouble.capture.source import files_of

        parts: list[object] = []
        for name in cameras if cameras is not None else self.cameras:
            origin = self.crop_origin(name)
            parts.append([name, files_of(self.video_path(name)), self.times(name), list(origin) if origin else None])
        return content_key(*parts)

    def _check_in_step(self) -> None:
        first = self.cameras[0]
        for name in self.cameras[1:]:
            if len(self.times_s[name]) != len(self.times_s[first]):
                raise DataError(
                    f"Camera '{first}' has {len(self.times_s[first])} stills but '{name}' has {len(self.times_s[name])}: the first of all cameras "
                    "belong together, the second, and so on, so each needs one of every scene. Add what is missing, or take out what has no partner."
                )

    def _camera(self, name: str) -> CameraSettings:
        if name not in self.cameras:
            raise UnknownNameError("camera", name, f"recording '{self.settings.name}'", self.cameras)
        return self.settings.cameras[name]


def _numbers_of_stills(folder: Path, settings: RecordingSettings, *, wanted: bool) -> dict[str, FloatArray]:
    from bodydouble.capture.source import files_of

    if not wanted:
        raise DataError(
            f'{folder} holds stills, which do not say when they were taken ({SETTINGS_NAME} says clock = "none"); only a calibration takes them. '
            "Give videos, or images with a timestamps.csv."
        )
    numbers = {}
    for name, camera in settings.cameras.items():
        path = folder / camera.video
        count = len(files_of(path)) if path.is_dir() else 0
        if not count:
            raise DataError(f'{path} holds no images, though {folder / SETTINGS_NAME} says that all cameras have stills (clock = "none").')
        numbers[name] = np.arange(count, dtype=np.float64)
    return numbers


def _times_from_videos(folder: Path, settings: RecordingSettings) -> dict[str, FloatArray]:
    """Index the videos of a recording that was put together by hand, and keep the result in the cache."""
    from bodydouble.cache import cached, content_key
    from bodydouble.capture.source import container_times, files_of
    from bodydouble.capture.timestamps import read_timestamps, write_timestamps

    videos = {name: folder / camera.video for name, camera in settings.cameras.items()}
    return cached(
        "timestamps",
        content_key({name: files_of(path) for name, path in videos.items()}),
        ".csv",
        compute=lambda: container_times(videos)[0],
        save=lambda times, path: write_timestamps(path, times),
        load=lambda path: read_timestamps(path, dict.fromkeys(videos)),
    )
