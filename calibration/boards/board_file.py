"""What ``board.toml`` may hold, one class a type of board, and what cannot be."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from bodydouble.calibration.boards.dictionary import DICTIONARIES, check_dictionary
from bodydouble.config import Settings, parse_settings
from bodydouble.errors import UnknownNameError, UsageError

Metres = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class CharucoSettings(Settings):
    """A chessboard with a marker in every white square; the upper left square is black."""

    type: Literal["charuco"] = "charuco"
    name: str | None = None
    columns: int
    """Squares, not inner corners."""
    rows: int
    square_size: Metres
    marker_size: Metres
    dictionary: str
    first_id: int = Field(0, ge=0)
    """Id of the first marker; the others follow row by row."""
    inverted: bool = False
    """Black and white are swapped."""
    legacy_layout: bool = False
    """As OpenCV drew it before 4.6: with an even number of rows the upper left square is white."""
    two_sided: bool = False
    """The back carries the mirror image: the same corners at the same places, seen mirrored."""


class CheckerboardSettings(Settings):
    """A plain chessboard; the upper left square is black."""

    type: Literal["checkerboard"] = "checkerboard"
    name: str | None = None
    columns: int
    """Squares, not inner corners."""
    rows: int
    square_size: Metres
    inverted: bool = False
    """The upper left square is white."""


class AprilGridSettings(Settings):
    """A grid of tags as Kalibr prints it: ids from the lower left tag to the right, then up."""

    type: Literal["aprilgrid"] = "aprilgrid"
    name: str | None = None
    columns: int
    """Tags."""
    rows: int
    marker_size: Metres
    """Outer edge of a tag."""
    tag_spacing: float = Field(gt=0, le=1, allow_inf_nan=False)
    """Gap between tags as a part of the tag's size, Kalibr's ``tagSpacing``."""
    dictionary: str = "DICT_APRILTAG_36h11"
    first_id: int = Field(0, ge=0)
    border_bits: int = Field(2, ge=1, le=4)
    """Width of a tag's black border in bits; Kalibr prints 2, the AprilTag project 1."""
    corner_squares: bool = True
    """Whether the gaps hold black squares where tags meet, as Kalibr prints them."""
    inverted: bool = False
    two_sided: bool = False


class MarkersSettings(Settings):
    """Single tags in a room, each where nobody knows yet."""

    type: Literal["markers"] = "markers"
    name: str | None = None
    dictionary: str
    ids: tuple[Annotated[int, Field(ge=0)], ...]
    marker_size: Metres | None = None
    """Outer edge of every tag."""
    marker_sizes: tuple[Metres, ...] | None = None
    """Instead of ``marker_size``: one a tag, in the order of ``ids``."""
    border_bits: int = Field(1, ge=1, le=4)
    inverted: bool = False


BoardSettings = CharucoSettings | CheckerboardSettings | AprilGridSettings | MarkersSettings

BOARD_TYPES: dict[str, type[BoardSettings]] = {
    "charuco": CharucoSettings,
    "checkerboard": CheckerboardSettings,
    "aprilgrid": AprilGridSettings,
    "markers": MarkersSettings,
}


def parse_board(values: dict[str, Any], *, source: str) -> BoardSettings:
    """Check the plain values of a board file; ``source`` names them in errors. Raises: UsageError, UnknownNameError."""
    kind = values.get("type")
    if kind is None:
        raise UsageError(f"{source}: key 'type' is missing; valid: {', '.join(BOARD_TYPES)}.")
    if not isinstance(kind, str) or kind not in BOARD_TYPES:
        raise UnknownNameError("board type", str(kind), source, BOARD_TYPES)
    settings = parse_settings(values, BOARD_TYPES[kind], source=source)
    dictionary = getattr(settings, "dictionary", None)
    if dictionary is not None:
        settings = settings.model_copy(update={"dictionary": check_dictionary(dictionary, source)})
    problem = board_problem(settings)
    if problem:
        raise UsageError(f"{source}: {problem}")
    return settings


def board_problem(settings: BoardSettings) -> str | None:
    """Return one sentence on what is impossible about a board, or None."""
    if isinstance(settings, MarkersSettings):
        return _markers_problem(settings) or _dictionary_problem(settings.dictionary, max(settings.ids, default=0), "")
    least = {"charuco": 2, "checkerboard": 4, "aprilgrid": 1}[settings.type]
    kind = f"an {settings.type}" if settings.type == "aprilgrid" else f"a {settings.type}"
    what = "tags" if isinstance(settings, AprilGridSettings) else "squares (not inner corners)"
    for name in ("columns", "rows"):
        value = getattr(settings, name)
        if value < least:
            return f"{name} is {value}; {kind} needs at least {least} {what} each way."
        if value > 200:
            return f"{name} is {value}; more than 200 {what} cannot be told apart in an image."
    if isinstance(settings, CheckerboardSettings):
        return None
    size = f"{kind} of {settings.columns}x{settings.rows}"
    if isinstance(settings, AprilGridSettings):
        return _dictionary_problem(settings.dictionary, settings.first_id + settings.columns * settings.rows - 1, f" for {size}")
    if (settings.columns - 1) * (settings.rows - 1) < 4:
        return f"{size} squares has {(settings.columns - 1) * (settings.rows - 1)} inner corners; its pose needs at least 4."
    if settings.marker_size >= settings.square_size:
        return (
            f"marker_size {settings.marker_size:g} m is not smaller than square_size {settings.square_size:g} m, but a marker lies inside "
            "its square; measure both (in metres)."
        )
    markers = settings.columns * settings.rows // 2
    return _dictionary_problem(settings.dictionary, settings.first_id + markers - 1, f" for {size}")


def read_caliscope_board(values: dict[str, Any], *, source: str) -> BoardSettings:
    """Check the plain values of Caliscope's ``charuco.toml``.

    The square is ``square_size_override_cm`` if given, else what fits the page. Raises: UsageError naming the key that is missing or no number.
    """
    try:
        columns, rows = int(values["columns"]), int(values["rows"])
        override = values.get("square_size_override_cm", values.get("square_size_overide_cm"))
        if override:
            square = float(override) / 100
        else:
            metres = {"inch": 0.0254, "cm": 0.01}[str(values["units"])]
            square = min(float(values["board_height"]) / rows, float(values["board_width"]) / columns) * metres
        scale = float(values["aruco_scale"])
        dictionary, inverted = str(values["dictionary"]), bool(values["inverted"])
    except KeyError as error:
        raise UsageError(f"{source} looks like Caliscope's charuco.toml, but {error} is missing or wrong.") from None
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise UsageError(f"{source} looks like Caliscope's charuco.toml, but a value in it is wrong: {error}.") from None
    board = {
        "type": "charuco", "columns": columns, "rows": rows, "square_size": square, "marker_size": round(square * scale, 9),
        "dictionary": dictionary, "inverted": inverted, "legacy_layout": bool(values.get("legacy_pattern", False)),
    }  # fmt: skip
    return parse_board(board, source=source)


def read_kalibr_board(path: Path) -> BoardSettings:
    """Read a target file of Kalibr: ``aprilgrid`` or ``checkerboard``, flat ``key: value`` lines.

    Raises: UsageError naming the key that is missing, a type that is not supported, or squares that are not square.
    """
    values: dict[str, str] = {}
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageError(f"{path} does not exist.") from None
    except (UnicodeDecodeError, IsADirectoryError):
        raise UsageError(f"{path} is not a text file; a board file was expected.") from None
    for line in text.splitlines():
        key, colon, value = line.split("#", 1)[0].partition(":")
        if colon:
            values[key.strip()] = value.strip().strip("'\"")
    kind = values.get("target_type")
    try:
        if kind == "aprilgrid":
            board = {
                "type": kind, "columns": int(values["tagCols"]), "rows": int(values["tagRows"]), "marker_size": float(values["tagSize"]),
                "tag_spacing": float(values["tagSpacing"]), "first_id": int(values.get("startId", "0")),
            }  # fmt: skip
        elif kind == "checkerboard":
            across, up = float(values["colSpacingMeters"]), float(values["rowSpacingMeters"])
            if not math.isclose(across, up, rel_tol=1e-6):
                raise UsageError(f"{path}: squares of {across:g} x {up:g} m are not square, which is not supported.")
            board = {
                "type": kind, "columns": int(values["targetCols"]) + 1, "rows": int(values["targetRows"]) + 1, "square_size": across
            }  # fmt: skip
        else:
            raise UsageError(f"{path}: target_type is '{kind}'; of Kalibr's targets 'aprilgrid' and 'checkerboard' can be read.")
    except (KeyError, ValueError) as error:
        raise UsageError(f"{path} looks like a target of Kalibr, but {error} is missing or wrong.") from None
    return parse_board(board, source=str(path))


def _markers_problem(settings: MarkersSettings) -> str | None:
    if not settings.ids:
        return "ids is empty; list the ids of the tags in the room, e.g. ids = [0, 1, 2]."
    twice = sorted({i for i in settings.ids if settings.ids.count(i) > 1})
    if twice:
        return f"id {twice[0]} is listed twice in ids; two tags with one id cannot be told apart."
    if (settings.marker_size is None) == (settings.marker_sizes is None):
        return "give either marker_size (all tags have that size) or marker_sizes (one a tag, in the order of ids)."
    if settings.marker_sizes is not None and len(settings.marker_sizes) != len(settings.ids):
        return f"marker_sizes has {len(settings.marker_sizes)} numbers for {len(settings.ids)} ids; one a tag was expected."
    return None


def _dictionary_problem(name: str, last_id: int, what: str) -> str | None:
    bits, count = DICTIONARIES[name]
    if last_id < count:
        return None
    same = [other for other, (b, n) in DICTIONARIES.items() if b == bits and n > last_id and other.split("_")[1] == name.split("_")[1]]
    remedy = f"; {same[0]} has enough (print a new board: its markers differ)" if same else ""
    if same and name.rsplit("_", 1)[0] == same[0].rsplit("_", 1)[0]:
        remedy = f"; {same[0]} starts with the same markers and has enough"
    return f"dictionary {name} has ids 0 to {count - 1}, but {last_id} is needed{what}{remedy}."
