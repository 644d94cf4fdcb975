"""Making a simulated recording: rendered in blocks by several processes, joined, checked, and there whole or not at all."""

from __future__ import annotations

import fcntl
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bodydouble.atomic import check_can_be_written, raise_for_os_error, write_atomically
from bodydouble.cache import content_key
from bodydouble.capture.new_folder import building_folder, check_may_be_made
from bodydouble.capture.recording import RIG_NAME, SETTINGS_NAME, Recording
from bodydouble.capture.timestamps import FILE_NAME, write_timestamps
from bodydouble.capture.video import index_video
from bodydouble.capture.worker_processes import run_in_processes
from bodydouble.errors import DataError, UsageError
from bodydouble.hand_pose.camera_poses import ROOM
from bodydouble.hand_pose.simulation.block import Arrays, Block, Filming, film
from bodydouble.hand_pose.simulation.clocks import camera_clocks, moment_times
from bodydouble.hand_pose.simulation.faults import choose_faults
from bodydouble.hand_pose.simulation.filmed_rig import WORN, filmed_rig, room_camera_names, with_room_cameras
from bodydouble.hand_pose.simulation.moment import Visibility
from bodydouble.hand_pose.simulation.scenario import MakeScenario, Scenario, person_scenario
from bodydouble.hand_pose.simulation.segments import join
from bodydouble.hand_pose.simulation.settings import SimulationSettings
from bodydouble.hand_pose.simulation.truth import TRUTH_NAME, Truth

FloatArray = npt.NDArray[np.float64]
StageProgress = Callable[[str, float, float], None]

TAG_MAP_NAME = "tag_map.toml"
STAGES = ("render", "join")
BLOCK = 8
"""Moments that a process does at a time, and loses at most when it is stopped."""

_HEADER = """A SIMULATED recording: a person who does not exist, rendered. truth.h5 holds what was true; nobody was filmed.
One video a camera; timestamps.csv holds what the camera's clock said of every frame in s from the start."""
_BLUR_S = tuple(n / 5 / 60 for n in (-2, -1, 0, 1, 2))
"""Five instants of an exposure of 1/60 s."""
_LEFT_HIP, _RIGHT_HIP = 23, 24
_AIM_HEIGHT_M = 1.0
_SAME_TIME_S = 1e-5


def simulate(
    settings: SimulationSettings, out: Path, *, workers: int | None = None, force: bool = False, make: MakeScenario = person_scenario,
    progress: StageProgress = lambda stage, done, total: None,
) -> Truth:  # fmt: skip
    """Make the simulated recording ``out`` (videos, timestamps.csv, recording.toml, rig.toml, tag_map.toml, truth.h5) and return its truth.

    ``rig.toml`` says where the cameras are mounted, exactly, but nothing of faults. Up to ``workers`` processes render at a time, by default one a
    core. What is rendered is kept in a hidden folder beside ``out`` until all is done, so that the same call goes on where it was stopped; the same
    settings give the same truth, however many processes there are. ``make`` makes what is filmed.

    Raises: UnknownNameError, UsageError for settings that cannot be (a camera inside the person, a task that takes longer); FileExistsUsageError unless
    ``force``; MissingDependencyError without the extra ``simulate``; OutOfSpaceError; DataError if a process is killed.
    """
    out = Path(os.path.abspath(out))
    check_may_be_made(out, force=force, marker=SETTINGS_NAME)
    filmed_rig(settings.rig, settings.size)  # a size or a fault that cannot be is said before the person is made, which takes a while
    _faults(settings)
    check_can_be_written(out)
    scenario = make(settings)
    filming = plan_filming(settings, scenario)
    _check_cameras_are_outside(scenario, filming)
    key = content_key(settings, f"{make.__module__}.{make.__qualname__}", BLOCK, _versions(), *_code())
    with _kept_blocks(out, key) as folder:
        _render(_Job(settings, make, filming, folder, ()), scenario, workers or os.cpu_count() or 1, progress)
        with building_folder(out, force=force, marker=SETTINGS_NAME) as building:
            truth = _write(building, out.name, settings, scenario, filming, folder, progress)
            _check(building, filming)
            truth.save(building / TRUTH_NAME)
        shutil.rmtree(folder, ignore_errors=True)
    return truth


def plan_filming(settings: SimulationSettings, scenario: Scenario) -> Filming:
    """Return by which cameras, when and with which faults a scenario is filmed. Raises: as ``simulate``."""
    times = moment_times(settings.seconds)
    rig = filmed_rig(settings.rig, settings.size)
    if settings.room_cameras:
        seen = [scenario.moment(float(time)) for time in np.linspace(0.0, settings.seconds, 9)]
        hips = np.mean([moment.landmarks[[_LEFT_HIP, _RIGHT_HIP]].mean(axis=0) for moment in seen], axis=0)
        forward = np.mean([moment.T_world_body[WORN[0]][:3, 0] for moment in seen], axis=0)
        rig = with_room_cameras(rig, settings.room_cameras, p_world=np.array([*hips[:2], _AIM_HEIGHT_M]), forward=forward)
    faults = _faults(settings)
    return Filming(
        rig, times, camera_clocks(rig.names, len(times), faults, seed=settings.seed), faults, _BLUR_S if settings.motion_blur else (0.0,)
    )


@dataclass(frozen=True)
class _Job:
    """Blocks that one process films."""

    settings: SimulationSettings
    make: MakeScenario
    filming: Filming
    folder: Path
    blocks: tuple[int, ...]


def _faults(settings: SimulationSettings) -> Any:
    rig = settings.rig
    worn = [name for name, camera in rig.cameras.items() if camera.body != ROOM] or list(rig.names)
    others = [name for name in rig.names if name not in worn]
    added = room_camera_names(rig, settings.room_cameras)
    return choose_faults(settings.faults, worn, seconds=settings.seconds, seed=settings.seed, others=(*others, *added))


def _check_cameras_are_outside(scenario: Scenario, filming: Filming) -> None:
    moment = scenario.moment(0.0)
    for name, camera in filming.rig.cameras.items():
        if scenario.is_inside(moment, filming.T_world_camera(camera, moment)[:3, 3]):
            x, y, z = camera.T_body_camera[:3, 3]
            raise UsageError(
                f"Camera '{name}' is inside the person at the start: the rig has it at x {x:.3f}, y {y:.3f}, z {z:.3f} m on '{camera.body}'. Correct "
                "the last column of its T_body_camera (helmet: from between the eyes; backpack: from the foot of the neck)."
            )


def _render(job: _Job, scenario: Scenario, workers: int, progress: StageProgress) -> None:
    """Film what is missing of all blocks: here where one process is enough, else in several."""
    filming = job.filming
    filmed = np.stack([filming.filmed(name) for name in filming.rig.names])
    images = [int(filmed[:, block].sum()) for block in _moments_of_blocks(filming)]
    missing = [b for b in range(len(images)) if not zipfile.is_zipfile(_path(job.folder, b))]
    total, done = sum(images), sum(images) - sum(images[b] for b in missing)
    progress("render", done, total)

    def told() -> None:
        nonlocal done
        done += 1
        progress("render", done, total)

    count = min(workers, len(missing))
    if count <= 1:
        _film_blocks(scenario, filming, job.folder, missing, told)
    else:
        jobs = [
            (f"Renderer {n + 1}", _Job(job.settings, job.make, filming, job.folder, tuple(missing[n::count]))) for n in range(count)
        ]  # fmt: skip
        run_in_processes(jobs, _work, workers=count, told=told)


def _work(job: _Job, tell: Callable[[], None]) -> None:
    """Film some blocks in a process of their own."""
    _film_blocks(job.make(job.settings), job.filming, job.folder, job.blocks, tell)


def _film_blocks(scenario: Scenario, filming: Filming, folder: Path, blocks: Any, tell: Callable[[], None]) -> None:
    moments = _moments_of_blocks(filming)
    for number in blocks:
        block = moments[number]
        film(scenario, filming, range(block.start, block.stop), tell).save(_path(folder, number))


def _write(
    building: Path, name: str, settings: SimulationSettings, scenario: Scenario, filming: Filming, folder: Path, progress: StageProgress
) -> Truth:
    """Join the blocks, write everything but the truth, and return that."""
    from bodydouble.capture.settings import CameraSettings, ConsentSettings, RecordingSettings
    from bodydouble.config import save_settings

    parts: list[Arrays] = []
    count = len(_moments_of_blocks(filming))

    def rows() -> Iterator[Mapping[str, Any]]:
        for number in range(count):
            block = Block.load(_path(folder, number), filming.rig.names)
            if block is None:
                _path(folder, number).unlink(missing_ok=True)
                raise DataError(f"A part of what was rendered for {name} is damaged and was removed; run the same command again.")
            parts.append(block.truth)
            yield block.segments
            progress("join", number + 1, count)

    sizes = {camera: mounted.model.image_size for camera, mounted in filming.rig.cameras.items()}
    stamps = {camera: filming.times_s[filming.filmed(camera)] for camera in sizes}
    videos = join(building, sizes, stamps, rows())
    for path in videos.values():
        with path.open("rb") as handle:
            os.fsync(handle.fileno())
    write_timestamps(building / FILE_NAME, stamps)
    cameras = {camera: CameraSettings(video=videos[camera].name, image_size_px=size) for camera, size in sizes.items()}
    said = RecordingSettings(
        name=name, task=settings.task, operator=f"simulated person, seed {settings.seed}",
        consent=ConsentSettings(version="none needed: the person is simulated", scope=("training", "sharing", "publication")),
        licence="CC0-1.0", privacy="nobody", rig=filming.rig.name, clock="container", cameras=cameras,
    )  # fmt: skip
    save_settings(building / SETTINGS_NAME, said, header=_HEADER)
    filming.rig.save(building / RIG_NAME)
    if scenario.tag_map is not None:
        scenario.tag_map.save(building / TAG_MAP_NAME)
    return _truth(settings, scenario, filming, parts, Recording.open(building))


def _truth(settings: SimulationSettings, scenario: Scenario, filming: Filming, parts: list[Arrays], recording: Recording) -> Truth:
    by_camera = {"camera_times_s", "T_world_camera", "camera_landmarks", "pixels", "visibility"}
    arrays = {name: np.concatenate([part[name] for part in parts], axis=1 if name in by_camera else 0) for name in parts[0]}
    filmed = [np.flatnonzero(filming.filmed(name)) for name in filming.rig.names]
    K = max(map(len, filmed))
    for name in by_camera:
        by_moment = arrays[name]
        nothing = Visibility.NOT_FILMED if by_moment.dtype == np.uint8 else np.nan
        arrays[name] = np.full((len(filmed), K, *by_moment.shape[2:]), nothing, dtype=by_moment.dtype)
        for c, frames in enumerate(filmed):
            arrays[name][c, : len(frames)] = by_moment[c, frames]
    drops = {name: sorted(clock.dropped) for name, clock in filming.clocks.items()}
    return Truth(
        recording={name: recording.content_key([name]) for name in filming.rig.names},
        settings=settings.as_dict() | {"person": scenario.person},
        times_s=filming.times_s,
        joint_names=scenario.joint_names,
        body_names=scenario.body_names,
        object_names=scenario.object_names,
        cameras=filming.rig.names,
        faults=filming.faults.as_dict(drops),
        **arrays,
    )  # fmt: skip


def _check(folder: Path, filming: Filming) -> None:
    """Decode every video once: a recording that is there is whole. Raises: DataError."""
    recording = Recording.open(folder)
    for name in recording.cameras:
        index = index_video(recording.video_path(name))
        wanted = filming.times_s[filming.filmed(name)]
        if index.times_s.shape != wanted.shape or np.abs(index.times_s - wanted).max() > _SAME_TIME_S:
            raise DataError(
                f"The video of camera '{name}' came out with {len(index.times_s)} frames and not the {len(wanted)} rendered, or at other times; "
                "run the same command again."
            )


def _moments_of_blocks(filming: Filming) -> list[slice]:
    count = len(filming.times_s)
    return [slice(start, min(start + BLOCK, count)) for start in range(0, count, BLOCK)]


def _path(folder: Path, block: int) -> Path:
    return folder / f"block_{block:05d}.npz"


@contextmanager
def _kept_blocks(out: Path, key: str) -> Iterator[Path]:
    """Give the folder of blocks that are kept for ``out`` until it is done, without those of other settings; one process at a time has it.

    After an error before the first block was whole nothing is left of it.

    Raises: UsageError if another has it; as ``bodydouble.atomic.replacing`` if it cannot be written.
    """
    folder = out.with_name(f".{out.name}.simulating.partial")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UsageError(f"{out} is being made by another process; wait for it, or choose another output with -o.") from None
            made_for = folder / "key"
            if not made_for.is_file() or made_for.read_text(encoding="ascii") != key:
                for block in folder.glob("*.npz"):
                    block.unlink()
                write_atomically(made_for, key.encode("ascii"))
            try:
                yield folder
            except BaseException:
                if not any(folder.glob("*.npz")):
                    shutil.rmtree(folder, ignore_errors=True)
                raise
    except OSError as error:
        raise_for_os_error(error, out)


def _code() -> list[Path]:
    """Return the files that decide what a simulation looks like."""
    return sorted(path for path in Path(__file__).parent.rglob("*") if path.suffix in (".py", ".toml"))


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for package in ("anny", "av", "numpy", "open3d"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = ""
    return found
