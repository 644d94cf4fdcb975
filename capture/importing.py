"""Making a Recording from videos that were taken elsewhere."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from bodydouble.atomic import OutOfSpaceError
from bodydouble.capture import image_folder, video
from bodydouble.capture.listed_images import is_listed, sorted_by_camera
from bodydouble.capture.new_folder import building_folder, check_may_be_made
from bodydouble.capture.recording import RIG_NAME, RIG_NAMES, SETTINGS_NAME, Recording
from bodydouble.capture.settings import CameraSettings, RecordingSettings
from bodydouble.capture.source import check_no_images, check_overlap, container_times, files_of, image_size_of
from bodydouble.capture.timestamps import FILE_NAME, read_timestamps, write_timestamps
from bodydouble.config import save_settings
from bodydouble.errors import FileExistsUsageError, UnknownNameError, UsageError
from bodydouble.progress import Progress, silent

FloatArray = npt.NDArray[np.float64]

_HEADER = "A recording: one video a camera; timestamps.csv holds the true time of every frame in s from the start."


def import_videos(
    videos: Sequence[Path],
    out: Path,
    *,
    crops: Mapping[str, tuple[int, int]] = {},
    task: str = "",
    timestamps: Path | None = None,
    force: bool = False,
    finish: Callable[[Recording], None] | None = None,
    progress: Progress = silent,
) -> Recording:
    """Make the recording ``out`` from synchronised videos (or folders of images), which are copied into it.

    A camera is named after its file, without extension. The times are those of the containers, counted from the first frame of any
    camera, unless ``timestamps`` is given or a ``timestamps.csv`` lies beside the videos. ``crops`` maps a camera to where its
    upper left pixel is in the calibrated image. ``finish`` is called with the recording before it gets its final name, e.g. to put
    a rig into it; if it raises, nothing is left.

    Raises: UsageError for names or paths that cannot be; FileExistsUsageError unless ``force``; DataError for videos that cannot be
    read whole or have no times; OutOfSpaceError.
    """
    sources = name_cameras(videos)
    for name in crops:
        if name not in sources:
            raise UnknownNameError("camera", name, "the videos", sources)
    out = Path(out)
    check_may_be_made(Path(os.path.abspath(out)), force=force, marker=SETTINGS_NAME)
    times, sizes, clock = _times_and_sizes(sources, timestamps or _beside(sources.values()), progress=progress)
    _check_space(sources.values(), out)
    with building_folder(out, force=force, marker=SETTINGS_NAME) as folder:
        cameras = {}
        for name, source in sources.items():
            _copy(source, folder / source.name)
            cameras[name] = CameraSettings(video=source.name, image_size_px=sizes[name], crop_origin_px=crops.get(name))
        _finish(folder, RecordingSettings(name=out.name, task=task, clock=clock, cameras=cameras), times)
        if finish is not None:
            finish(Recording.open(folder))
    return Recording.open(out)


def open_recording(path: Path, *, stills: bool = False, progress: Progress = silent) -> Recording:
    """Open a Recording folder, or a folder with one video or image folder a camera, or one video file.

    What is not a Recording is imported into the cache, where the videos are links; ``timestamps.csv`` and ``rig.toml`` (or the ``calibration.json`` of
    Aria glasses) beside them are used. So is a folder of stills with a list of them, ``frames.csv``. With ``stills`` images may come without times
    (see ``Recording.is_stills``), and a folder of images may stand for one camera.
    Raises: UsageError if there is nothing of the kind; DataError as ``import_videos``, or for images without times.
    """
    from bodydouble.cache import cache_folder, content_key

    path = Path(path)
    if not path.exists():
        raise UsageError(f"{path} does not exist; expected a recording's folder, a folder of videos, or a video.")
    if (path / SETTINGS_NAME).is_file():
        return Recording.open(path, stills=stills)
    if is_listed(path):
        path = sorted_by_camera(path)
    sources = name_cameras([path] if path.is_file() else _sources_in(path, stills=stills))
    timestamps = _beside(sources.values())
    rig = next((path / name for name in RIG_NAMES if (path / name).is_file()), path / RIG_NAME)
    if timestamps is None and not stills:
        check_no_images(sources.values())
    identity = [
        [name, [[str(f.resolve()), f.stat().st_size, f.stat().st_mtime_ns] for f in files_of(source)]] for name, source in sources.items()
    ]
    key = content_key(identity, timestamps, str(rig.resolve()) if rig.is_file() else None)
    folder = cache_folder() / "imports" / key
    if not (folder / SETTINGS_NAME).is_file():
        times, sizes, clock = _times_and_sizes(sources, timestamps, stills=stills, progress=progress)
        try:
            with building_folder(folder, marker=SETTINGS_NAME) as partial:
                for source in sources.values():
                    (partial / source.name).symlink_to(source.resolve())
                if rig.is_file():
                    (partial / rig.name).symlink_to(rig.resolve())
                cameras = {name: CameraSettings(video=source.name, image_size_px=sizes[name]) for name, source in sources.items()}
                _finish(partial, RecordingSettings(name=path.resolve().stem, clock=clock, cameras=cameras), times)
        except FileExistsUsageError:
            pass  # another process imported the same videos meanwhile
    return Recording.open(folder, stills=stills)


def name_cameras(sources: Iterable[Path]) -> dict[str, Path]:
    """Return camera name to video: the file's or folder's name without extension. Raises: UsageError if one is missing or two are alike."""
    named: dict[str, Path] = {}
    for source in map(Path, sources):
        if not source.exists():
            raise UsageError(f"{source} does not exist; expected a video.")
        name = source.name if source.is_dir() else source.stem
        try:
            name.encode("utf-8")
        except UnicodeEncodeError:
            raise UsageError(f"{str(source)!r} cannot name a camera: its name holds bytes that are no text (UTF-8). Rename it.") from None
        if name in named:
            raise UsageError(
                f"{named[name]} and {source} would both be camera '{name}'; a camera is named after its file. Rename one of them."
            )
        named[name] = source
    if not named:
        raise UsageError("No video was given; expected one for each camera.")
    return named


def _sources_in(folder: Path, *, stills: bool) -> list[Path]:
    visible = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    found = [path for path in visible if path.is_file() and path.suffix.lower() in video.SUFFIXES]
    found += [path for path in visible if path.is_dir() and image_folder.list_images(path)]
    if not found and stills and image_folder.list_images(folder):
        return [Path(os.path.abspath(folder))]  # ".", too, has a name that a camera can have
    if not found:
        raise UsageError(
            f"{folder} is neither a recording (it has no {SETTINGS_NAME}) nor a folder with one video or image folder a camera "
            f"({', '.join(video.SUFFIXES[:5])}, ...)."
        )
    return found


def _beside(sources: Iterable[Path]) -> Path | None:
    named = list(sources)
    for folders in ({Path(os.path.abspath(source)).parent for source in named}, {source.resolve().parent for source in named}):
        candidate = folders.pop() / FILE_NAME
        if not folders and candidate.is_file():
            return candidate  # beside the links, if the videos are links, goes before beside what they point to
    return None


def _times_and_sizes(
    sources: Mapping[str, Path], timestamps: Path | None, *, stills: bool = False, progress: Progress
) -> tuple[dict[str, FloatArray], dict[str, tuple[int, int]], Literal["container", "external", "none"]]:
    if timestamps is None and stills and all(source.is_dir() for source in sources.values()):
        return {}, {name: image_size_of(source) for name, source in sources.items()}, "none"
    if timestamps is None:
        times, sizes = container_times(sources, progress=progress)
        return times, sizes, "container"
    counts: dict[str, int | None] = {}
    sizes = {}
    for number, (name, source) in enumerate(sources.items()):
        if source.is_dir():
            counts[name], sizes[name] = len(files_of(source)), image_size_of(source)
        else:
            index = video.index_video(source, timed=False)
            counts[name], sizes[name] = len(index.times_s), index.image_size
        progress(number + 1, len(sources))
    absolute = read_timestamps(timestamps, counts)
    check_overlap(absolute)
    start = min(float(item[0]) for item in absolute.values())
    return {name: item - start for name, item in absolute.items()}, sizes, "external"


def _finish(folder: Path, settings: RecordingSettings, times: Mapping[str, FloatArray]) -> None:
    if settings.clock != "none":
        write_timestamps(folder / FILE_NAME, times)
    save_settings(folder / SETTINGS_NAME, settings, header=_HEADER)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        target.mkdir()
        for image in files_of(source):
            _copy(image, target / image.name)
        return
    shutil.copyfile(source, target)
    with target.open("rb") as handle:
        os.fsync(handle.fileno())


def _check_space(sources: Iterable[Path], out: Path) -> None:
    needed = sum(file.stat().st_size for source in sources for file in files_of(source))
    existing = next(folder for folder in Path(os.path.abspath(out)).parents if folder.exists())
    free = shutil.disk_usage(existing).free
    if needed > free:
        raise OutOfSpaceError(
            f"{out} needs {needed / 1e6:.0f} MB but {existing} has {free / 1e6:.0f} MB free; nothing was written. "
            "Free some space and run again."
        )
