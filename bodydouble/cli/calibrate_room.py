"""``bodydouble calibrate room`` and ``calibrate click``: origin, up and scale of a rig in its room, or its static cameras' poses themselves."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from bodydouble.calibration import Rig
    from bodydouble.calibration.observations import Observations
    from bodydouble.calibration.room.room_frame import RoomFrame

_SEPARATORS = "_-. "


def room(
    rig: Path = typer.Argument(..., metavar="RIG", help="The cameras: rig.toml, or any calibration file that can be read.", show_default=False),
    points: Path | None = typer.Option(
        None, "--points", help="scene_points.toml: measured points and where they were clicked (calibrate click).", show_default=False
    ),
    board: Path | None = typer.Option(None, "--board", help="The board.toml of a board that lies on the floor.", show_default=False),
    out: Path = typer.Option(..., "-o", "--out", help="The rig.toml to write.", show_default=False),
    resect: bool = typer.Option(
        False, "--resect", help="With --points: find each static camera's pose from the points alone; the rig gives only the lenses."
    ),
    scale: bool = typer.Option(False, "--scale", help="With --points: make the rig's lengths those of the points, instead of only telling."),
    images: Path | None = typer.Option(
        None, "--images", metavar="REC", help="With --board: a folder with one image a camera, or a recording in which the board lies still.",
        show_default=False,
    ),
    forward: str = typer.Option("x", "--forward", help="With --board: its axis that becomes the room's x: x, y, -x or -y."),
    origin: str = typer.Option("0,0,0", "--origin", metavar="X,Y,Z", help="With --board: the room's origin in m from its lower left corner."),
    frames: str | None = typer.Option(None, "--frames", metavar="A:B", help="With --board: only the frames A to B - 1.", show_default=False),
    target: str | None = typer.Option(None, "--target", help="With --board: which of several single tags.", show_default=False),
    force: bool = typer.Option(False, "--force", help="Replace the output if it is there."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object a program can read."),
) -> None:  # fmt: skip
    """Set the room frame of a rig: x forward, y left, z up, from measured points or from a board on the floor.

    Cameras on the body "room" move together, those on other bodies stay. With --resect each of them is placed by itself instead.

    Example: bodydouble calibrate room rig.toml --points scene_points.toml -o room_rig.toml

    Example: bodydouble calibrate room lenses.toml --points scene_points.toml --resect -o rig.toml

    Example: bodydouble calibrate room rig.toml --board board.toml --images stills/ --forward y -o room_rig.toml
    """
    from bodydouble.calibration import read_rig
    from bodydouble.calibration.room.resection import resect as find_cameras
    from bodydouble.calibration.room.room_frame import align_to_points
    from bodydouble.calibration.room.scene_points import ScenePoints
    from bodydouble.cli.calibration_inputs import check_inputs_stay
    from bodydouble.cli.room_summary import as_dict, lines
    from bodydouble.errors import UsageError

    if (points is None) == (board is None):
        raise UsageError("give either --points, a scene_points.toml, or --board, a board.toml; one of them sets the room frame.")
    if board is not None and (resect or scale):
        raise UsageError(f"{'--resect' if resect else '--scale'} goes with --points; a board sets only where the room is.")
    if resect and scale:
        raise UsageError("--scale goes without --resect: cameras that are placed by the points have their scale already.")
    if board is not None and images is None:
        raise UsageError("--board needs --images: a folder with one image a camera, or a recording in which the board lies on the floor.")
    if points is not None and images is not None:
        raise UsageError("--images goes with --board; what was clicked in images is in the file of --points.")
    check_inputs_stay([out], [points, board])
    _refuse_existing(out, force=force)
    given = read_rig(rig)
    if points is not None:
        scene = ScenePoints.load(points)
        result = find_cameras(given, scene) if resect else align_to_points(given, scene, scale=scale)
    else:
        assert board is not None
        assert images is not None
        result = _align_to_board(given, board, images, forward, origin, frames, target)
    result.rig.save(out)
    if as_json:
        typer.echo(json.dumps({**as_dict(result), "written": str(out)}, indent=2, ensure_ascii=False, allow_nan=False))
        return
    for line in lines(result):
        typer.echo(line)
    typer.echo(f"Written: {out}")


def click(
    points: Path = typer.Argument(
        ..., metavar="POINTS", help=r"A TOML file with \[points] and name = \[x, y, z] in m; clicks in it are kept.", show_default=False
    ),
    images: list[str] = typer.Argument(
        ...,
        metavar="IMAGES...",
        help="Images, CAMERA=IMAGE, or a folder of images: one a camera, named after the camera.",
        show_default=False,
    ),
    out: Path = typer.Option(..., "-o", "--out", help="The .html page to write.", show_default=False),
    rig: Path | None = typer.Option(None, "--rig", help="Check the cameras' names and image sizes against this rig.", show_default=False),
    force: bool = typer.Option(False, "--force", help="Replace the output if it is there."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object a program can read."),
) -> None:
    """Write a page on which a person clicks measured points in the cameras' images, and saves scene_points.toml.

    One HTML file for any browser; it needs no server and no network.

    Example: bodydouble calibrate click points.toml cam01=cam01_ext.png cam02=cam02_ext.png -o click.html
    """
    from bodydouble.calibration import read_rig
    from bodydouble.calibration.room.scene_page import scene_page
    from bodydouble.calibration.room.scene_points import ScenePoints
    from bodydouble.cli.calibration_inputs import check_inputs_stay

    check_inputs_stay([out], [points, rig])
    _refuse_existing(out, force=force)
    known = read_rig(rig) if rig is not None else None
    named = named_images(images, None if known is None else known.names)
    if known is not None:
        _check_sizes(known, named)
    scene = ScenePoints.load(points)
    scene_page(named, scene, out)
    if as_json:
        described = {"points": list(scene.names), "images": {name: str(path) for name, path in named.items()}, "written": str(out)}
        typer.echo(json.dumps(described, indent=2, ensure_ascii=False))
        return
    typer.echo(f"{len(scene.names)} points to click in {', '.join(named)}.")
    typer.echo(
        f"Written: {out}. Open it in a browser, click, save scene_points.toml, and give that to `bodydouble calibrate room --points`."
    )


def named_images(given: Sequence[str], cameras: Sequence[str] | None = None) -> dict[str, Path]:
    """Return camera name to image, of images, CAMERA=IMAGE pairs and folders of images.

    A camera is named after its file; where ``cameras`` are known, ``cam01_ext.png`` is also that of cam01, and images of none of them in a folder
    are passed over. Raises: UsageError, UnknownNameError for images that are no camera's, or two of one.
    """
    from bodydouble.capture.image_folder import SUFFIXES, list_images
    from bodydouble.errors import UnknownNameError, UsageError

    named: dict[str, Path] = {}
    for text in given:
        name, sign, file = text.partition("=")
        folder = Path(text)
        if sign and not folder.exists():
            found = [(name, Path(file))]
        elif folder.is_dir():
            found = [(path.stem, path) for path in list_images(folder)]
            if cameras is not None:
                found = [(camera, path) for stem, path in found if (camera := camera_of(stem, cameras)) is not None]
            if not found:
                wanted = f", each named after one of {', '.join(cameras)}" if cameras is not None else ""
                raise UsageError(f"{folder} holds no images ({', '.join(SUFFIXES)}){wanted}; give one image a camera.")
        else:
            found = [(camera_of(folder.stem, cameras) or folder.stem if cameras is not None else folder.stem, folder)]
        for camera, path in found:
            if cameras is not None and camera not in cameras:
                raise UnknownNameError("camera", camera, "the rig", cameras)
            if camera in named:
                raise UsageError(f"two images are given for camera '{camera}': {named[camera]} and {path}; give one.")
            named[camera] = path
    return named


def camera_of(stem: str, cameras: Sequence[str]) -> str | None:
    """Return the camera that a file is named after: its name alone, or followed by "_", "-", "." or a space and anything."""
    matching = [name for name in cameras if stem == name or (stem.startswith(name) and stem[len(name)] in _SEPARATORS)]
    return max(matching, key=len, default=None)


def _check_sizes(rig: Rig, images: dict[str, Path]) -> None:
    from bodydouble.capture.image_folder import read_image, size_of
    from bodydouble.errors import UsageError

    for name, path in images.items():
        if not path.is_file():
            raise UsageError(f"{path}, the image of camera '{name}', does not exist.")
        size, expected = size_of(read_image(path)), rig.camera(name).model.image_size
        if size != expected:
            raise UsageError(f"{path} is {size[0]}x{size[1]} px, but camera '{name}' was calibrated at {expected[0]}x{expected[1]} px.")


def _align_to_board(
    rig: Rig, board: Path, images: Path, forward: str, origin: str, frames: str | None, target: str | None
) -> RoomFrame:  # fmt: skip
    from bodydouble.calibration.boards.board import Board
    from bodydouble.calibration.room.board_on_floor import align_to_board
    from bodydouble.errors import UsageError

    try:
        place = tuple(float(part) for part in origin.split(","))
    except ValueError:
        place = ()
    if len(place) != 3 or not all(map(math.isfinite, place)):
        raise UsageError(f"--origin {origin} is not X,Y,Z; give three numbers in metres, such as 0.2,0.3,0.")
    seen = _observed(rig, Board.load(board), images)
    if frames is not None:
        seen = seen.at(_chosen(frames, seen))
    return align_to_board(rig, seen, target=target, forward=forward, origin=(place[0], place[1], place[2]))


def _observed(rig: Rig, board: Any, images: Path) -> Observations:
    """Return what stills, one a camera, or a recording show of the board."""
    import numpy as np

    from bodydouble.calibration.boards.detection import BoardDetector
    from bodydouble.calibration.boards.images import spread_images
    from bodydouble.calibration.boards.observations import observe
    from bodydouble.calibration.observations import Observations
    from bodydouble.capture.image_folder import list_images
    from bodydouble.capture.importing import open_recording
    from bodydouble.errors import DataError

    stills = list_images(images) if images.is_dir() else []
    if not any(camera_of(path.stem, rig.names) for path in stills):
        recording = open_recording(images, stills=True)
        return observe(recording.select([name for name in recording.cameras if name in rig.names] or recording.cameras), [board])
    named = named_images([str(images)], rig.names)
    _check_sizes(rig, named)
    detector = BoardDetector(board)
    pixels = np.stack([detector.detect(spread_images(path, 1)[0][1]) for path in named.values()])[:, None]
    if not np.isfinite(pixels).any():
        raise DataError(
            f"the board '{board.name}' was not found in {', '.join(str(path) for path in named.values())}; `board find` tells what is."
        )
    sizes = tuple(rig.camera(name).model.image_size for name in named)
    return Observations(tuple(named), sizes, board.targets, np.zeros((len(named), 1), dtype=np.int64), np.zeros((len(named), 1)), pixels)


def _chosen(frames: str, seen: Observations) -> Any:
    import numpy as np

    from bodydouble.errors import UsageError

    first, colon, last = frames.partition(":")
    if not colon or not (first or "0").isdigit() or not (last or "0").isdigit():
        raise UsageError(f"--frames {frames} is not A:B; give the first frame and the one after the last, such as 120:150.")
    number = seen.frame_index.max(axis=0)
    chosen = (number >= int(first or 0)) & (number < (int(last) if last else np.inf))
    if not chosen.any():
        raise UsageError(f"--frames {frames} holds no frame; the recording has frames {number.min()} to {number.max()}.")
    return chosen


def _refuse_existing(out: Path, *, force: bool) -> None:
    from bodydouble.errors import FileExistsUsageError

    if out.exists() and not force:
        raise FileExistsUsageError(out)
