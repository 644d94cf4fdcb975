"""What ``bodydouble calibrate`` is given: checked before the first image is read, so that nobody waits for an error."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bodydouble.calibration.boards.board import Board
    from bodydouble.calibration.observations import Observations
    from bodydouble.calibration.rig import Rig
    from bodydouble.capture import Recording


def boards_of(paths: Sequence[Path]) -> list[Board]:
    """Read the board files. Raises: UsageError as ``Board.load``, or if one is missing."""
    from bodydouble.calibration import Board
    from bodydouble.errors import UsageError

    for path in paths:
        if not path.exists():
            raise UsageError(
                f"{path} does not exist; expected a board's file. `bodydouble board find IMAGE --square-size M -o {path}` writes one from an image "
                "of the board."
            )
    return [Board.load(path) for path in paths]


def check_outputs(force: bool, *outputs: Path | None) -> None:
    """Check that files can be written. Raises: UsageError, FileExistsUsageError unless ``force``."""
    from bodydouble.atomic import check_can_be_written
    from bodydouble.errors import FileExistsUsageError, UsageError

    wanted = [path for path in outputs if path is not None]
    for number, path in enumerate(wanted):
        if path.is_dir():
            raise UsageError(f"{path} is a folder; the name of a file was expected, e.g. {path / 'rig.toml'}.")
        if path.resolve() in [other.resolve() for other in wanted[:number]]:
            raise UsageError(f"{path} is named for two outputs; give each a file of its own.")
        if path.exists() and not force:
            raise FileExistsUsageError(path)
        check_can_be_written(path)


def check_inputs_stay(outputs: Sequence[Path | None], inputs: Sequence[Path | None]) -> None:
    """Check that no output, --force or not, takes the place of a file that the command reads. Raises: UsageError naming the file."""
    from bodydouble.errors import UsageError

    read = [path.resolve() for path in inputs if path is not None]
    for path in outputs:
        if path is not None and path.resolve() in read:
            raise UsageError(f"{path} is a file that this command reads, and it would be lost. Choose another output with -o.")


def check_report(folder: Path | None, force: bool) -> None:
    """Check that a report can be written to a folder. Raises: UsageError; an older report is only replaced with ``force``."""
    from bodydouble.atomic import check_can_be_written
    from bodydouble.calibration.report.write import HTML_FILE, JSON_FILE
    from bodydouble.errors import UsageError

    if folder is None:
        return
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; --report takes a folder, e.g. {folder.with_suffix('')}_report.")
    for name in (HTML_FILE, JSON_FILE):
        if (folder / name).exists() and not force:
            raise UsageError(
                f"{folder / name} already exists and was left as it is. Pass --force to replace it, or choose another folder with --report."
            )
        check_can_be_written(folder / name)


def check_choice(option: str, value: str, choices: Sequence[str]) -> None:
    """Check the value of an option. Raises: UnknownNameError listing the choices."""
    from bodydouble.errors import UnknownNameError

    if value not in choices:
        raise UnknownNameError("value", value, option, choices)


def check_lens(lens: str) -> None:
    """Check the value of --lens. Raises: UnknownNameError listing the lenses."""
    from bodydouble.calibration.focal_search import LENSES

    check_choice("--lens", lens, ("auto", *LENSES))


def start_of(text: str) -> Rig | None:
    """Return the rig that --start names, a preset or a file; None for "". Raises: UsageError as ``read_rig``, UnknownNameError."""
    from bodydouble.calibration import read_rig
    from bodydouble.calibration.presets import PRESETS, preset_rig

    if not text:
        return None
    return preset_rig(text) if text in PRESETS or not Path(text).exists() else read_rig(Path(text))


def fitting(rig: Rig | None, recording: Recording) -> Rig | None:
    """Return the part of a known rig that a recording has cameras of.

    Raises: UnknownNameError for a camera that the rig has not; UsageError for a video that is not of the size that the rig's lens is for.
    """
    from bodydouble.calibration.matching import check_image_size

    if rig is None:
        return None
    chosen = rig.select(recording.cameras)
    for name in recording.cameras:
        check_image_size(name, chosen.camera(name).model.image_size, recording.image_size(name), recording.crop_origin(name))
    return chosen


def check_tag_map(tag_map: Path | None, start: Rig | None, targets_move: bool | None) -> None:
    """Check that a tag map can be made: boards stand still. Raises: UsageError."""
    from bodydouble.errors import UsageError

    move = targets_move if targets_move is not None else start is None or all(camera.body == "room" for camera in start.cameras.values())
    if tag_map is not None and move:
        raise UsageError(
            "--tag-map is for boards and tags that stand still in the room, but here they are taken to move: pass --targets still, or --start with a "
            "rig whose cameras are worn."
        )


def one_camera(path: Path) -> Recording:
    """Open the video or the images of one camera. Raises: UsageError for several cameras; as ``open_recording``."""
    from bodydouble.capture import open_recording
    from bodydouble.errors import UsageError

    recording = open_recording(path, stills=True)
    if len(recording.cameras) != 1:
        raise UsageError(
            f"{path} holds {len(recording.cameras)} cameras ({', '.join(recording.cameras)}); `calibrate intrinsics` takes the images or the video "
            f"of one, e.g. {recording.video_path(recording.cameras[0]).resolve()}. `calibrate rig` takes all."
        )
    return recording


def observe_in(recording: Recording, boards: Sequence[Board], rig: Rig | None, *, workers: int | None, progress: Any) -> Observations:
    """Find boards in all frames, in pixels of the image that each camera is or will be calibrated in, which a known ``rig`` has the size of.

    Raises: UsageError where a video was declared to be a part of an image whose size nothing tells; as ``observe``.
    """
    from dataclasses import replace

    from bodydouble.calibration.boards.observations import observe
    from bodydouble.errors import UsageError

    for name in recording.cameras:
        origin = recording.crop_origin(name)
        if origin is not None and rig is None:
            raise UsageError(
                f"Camera '{name}': its video is declared to be a part of a larger image, cut out at {origin[0]},{origin[1]}, so its lens cannot be "
                "found from it alone. Give the rig that was calibrated with the whole image (--fix-intrinsics RIG), or take crop_origin_px out of "
                "recording.toml to calibrate the part as if it were the whole."
            )
    observations = observe(recording, boards, workers=workers, progress=progress)
    if rig is None:
        return observations
    return replace(observations, image_size=tuple(rig.camera(name).model.image_size for name in observations.cameras))
