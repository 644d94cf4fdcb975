"""Which board is in these images? Tries dictionaries, borders, sizes, layouts, inverted and mirrored ones."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.boards.board import Board
from bodydouble.calibration.boards.board_file import (
    AprilGridSettings,
    BoardSettings,
    CharucoSettings,
    CheckerboardSettings,
    MarkersSettings,
    board_problem,
)
from bodydouble.calibration.boards.consistency import local_maps
from bodydouble.calibration.boards.detection import BoardDetector
from bodydouble.calibration.boards.dictionary import DICTIONARIES, possible_turns, same_family
from bodydouble.calibration.boards.growth import find_any_checkerboard
from bodydouble.calibration.boards.layout import Layout, board_layout, marker_grid, together
from bodydouble.calibration.boards.refinement import Surroundings, fit_right_angles
from bodydouble.calibration.boards.tags import marker_detector
from bodydouble.progress import Progress, silent

FloatArray = npt.NDArray[np.float64]
GreyImage = npt.NDArray[np.uint8]

_LARGEST_PX = 2000
_ENOUGH_IMAGES = 3
_LEAST_CORNERS = 4
_READINGS: tuple[tuple[str, int], ...] = (
    *((f"DICT_{bits}X{bits}_1000", 1) for bits in (4, 5, 6, 7)),
    ("DICT_ARUCO_ORIGINAL", 1),
    ("DICT_ARUCO_MIP_36h12", 1),
    *((f"DICT_APRILTAG_{family}", border) for family in ("36h11", "25h9", "36h10", "16h5") for border in (1, 2)),
)
"""The largest dictionary of each family, and the border in bits."""
_LOW_IDS = 50
"""Numbers that tags of 4x4 bits are likely to have, where the other 950 turn up by chance."""


@dataclass(frozen=True)
class Way:
    """How an image was read."""

    inverted: bool
    mirrored: bool

    def apply(self, image: GreyImage) -> GreyImage:
        """Return the image as a board that is neither would look."""
        image = 255 - image if self.inverted else image
        return np.ascontiguousarray(image[:, ::-1] if self.mirrored else image)


WAYS = tuple(Way(inverted, mirrored) for mirrored in (False, True) for inverted in (False, True))


@dataclass(frozen=True)
class FoundBoard:
    """A board that was found in images."""

    settings: BoardSettings
    """With ``square_size`` as it was given, or 1 where it was not: see ``sized``."""
    sized: bool
    images: int
    """In how many images."""
    points: int
    """Most points that were found in one image."""
    front: bool
    """Whether it was seen the right way round."""
    back: bool
    """Whether it was seen mirrored."""

    @property
    def equivalents(self) -> tuple[str, ...]:
        """Larger dictionaries that start with the same markers: a board file may name any of them."""
        name = getattr(self.settings, "dictionary", None)
        return () if name is None else tuple(other for other in same_family(name) if DICTIONARIES[other][1] > DICTIONARIES[name][1])


@dataclass(frozen=True)
class Search:
    """What a search found, and what it tried."""

    found: FoundBoard | None
    tried: tuple[str, ...]
    images: int


def search_board(images: Sequence[GreyImage], *, square_size: float | None = None, progress: Progress = silent) -> Search:
    """Look for a board in grey images until three of them agree.

    ``square_size`` in m: side of a chessboard's squares, or of a tag's black outer edge; without it all sizes are in that unit.
    """
    detectors = [(name, border, _strict_detector(name, border)) for name, border in _READINGS]
    layouts: dict[tuple[str, int, Way, int], list[tuple[int, Layout, float]]] = defaultdict(list)
    tags: dict[tuple[str, int, Way], Counter[int]] = defaultdict(Counter)
    sizes: Counter[tuple[int, int]] = Counter()
    seen = []
    for k, full in enumerate(images):
        image = _reduced(full)
        seen.append(image)
        for step, way in enumerate(WAYS):
            turned = way.apply(image)
            for name, border, detector in detectors:
                corners, ids = _read(detector, turned)
                tags[name, border, way].update(ids)
                for turn, layout, pitch in _layouts_of(name, corners, ids):
                    layouts[name, border, way, turn].append((k, layout, pitch))
            progress(k + (step + 1) / (len(WAYS) + 1), len(images))
        if not any(k == number for found in layouts.values() for number, _, _ in found):
            size = find_any_checkerboard(image)
            sizes.update([size] if size else [])
        progress(k + 1, len(images))
        agreeing = [len(found) for found in layouts.values()] + list(sizes.values())
        if max(agreeing, default=0) >= _ENOUGH_IMAGES:
            break
    progress(len(images), len(images))
    found = _marker_board(seen, layouts) or _checkerboard(seen, sizes) or _single_tags(tags)
    return Search(_with_size(found, square_size) if found else None, _tried(), len(seen))


def _strict_detector(dictionary: str, border: int) -> Any:
    """Return a detector that corrects no bits: among so many dictionaries, chance would find something."""
    detector = marker_detector(dictionary, border_bits=border, close_together=border > 1)
    parameters = detector.getDetectorParameters()
    parameters.errorCorrectionRate = 0.0
    detector.setDetectorParameters(parameters)
    return detector


def _read(detector: Any, image: GreyImage) -> tuple[FloatArray, list[int]]:
    """Return corners (M, 4, 2) and ids of the markers in an image; none that was seen twice."""
    corners, ids, _ = detector.detectMarkers(image)
    numbers = [] if ids is None else [int(i) for i in ids.ravel()]
    once = [k for k, i in enumerate(numbers) if numbers.count(i) == 1]
    return np.array([corners[k].reshape(4, 2) for k in once], dtype=np.float64).reshape(-1, 4, 2), [numbers[k] for k in once]


def _layouts_of(dictionary: str, corners: FloatArray, ids: list[int]) -> Iterator[tuple[int, Layout, float]]:
    """Yield the layouts that the markers of one image fit, with how they are turned and the pitch of their grid in marker sides."""
    if len(ids) < 3:
        return
    for turn in possible_turns(dictionary):
        grid = marker_grid(np.roll(corners, turn, axis=1))
        layout = None if grid is None else board_layout(grid, ids)
        if grid is not None and layout is not None:
            yield turn, layout, grid.pitch


def _marker_board(images: list[GreyImage], layouts: dict[tuple[str, int, Way, int], list[tuple[int, Layout, float]]]) -> FoundBoard | None:
    """Return the ChArUco board or AprilGrid that most markers are for and whose corners are really there."""
    ranked = sorted(layouts, key=lambda key: -sum(layout.matched for _, layout, _ in layouts[key]))
    for key in ranked:
        name, border, way, _ = key
        entries = layouts[key]
        layout = together([layout for _, layout, _ in entries])
        if layout is None:
            continue
        pitch = float(np.median([pitch for _, other, pitch in entries if other.kind == layout.kind]))
        numbers = sorted({k for k, _, _ in entries})
        settings = _settings(layout, name, border, pitch)
        if settings is None:
            continue
        views = [Way(way.inverted, way.mirrored).apply(images[k]) for k in numbers]
        settings = _measured(settings, views)
        counts = [int(np.isfinite(BoardDetector(Board(settings, "board")).detect(view)[:, 0]).sum()) for view in views]
        if max(counts) < _LEAST_CORNERS:
            continue
        other = replace(way, mirrored=not way.mirrored)
        backs = [layouts[k] for k in layouts if k[:3] == (name, border, other)]
        both = any(found.matched >= 3 and found.columns == layout.columns for entry in backs for _, found, _ in entry)
        front, back = not way.mirrored or both, way.mirrored or both
        settings = settings.model_copy(update={"inverted": way.inverted, "two_sided": back})
        return FoundBoard(settings, False, sum(count > 0 for count in counts), max(counts), front, back)
    return None


def _settings(layout: Layout, dictionary: str, border: int, pitch: float) -> CharucoSettings | AprilGridSettings | None:
    settings: CharucoSettings | AprilGridSettings
    if layout.kind == "charuco":
        rows = layout.rows + layout.rows % 2 if layout.white_first else layout.rows  # only boards with an even number begin with white
        last = layout.first_id + layout.columns * rows // 2 - 1
        if border != 1:
            return None
        settings = CharucoSettings(
            columns=layout.columns, rows=rows, square_size=1.0, marker_size=min(1 / pitch, 0.98), dictionary=_smallest(dictionary, last),
            first_id=layout.first_id, legacy_layout=layout.white_first,
        )  # fmt: skip
    else:
        last = layout.first_id + layout.columns * layout.rows - 1
        settings = AprilGridSettings(
            columns=layout.columns, rows=layout.rows, marker_size=1.0, tag_spacing=min(max(pitch - 1, 0.01), 1.0),
            dictionary=_smallest(dictionary, last), first_id=layout.first_id, border_bits=border,
        )  # fmt: skip
    return None if board_problem(settings) else settings


def _smallest(dictionary: str, last_id: int) -> str:
    """Return the smallest dictionary of a family that holds an id."""
    return next((name for name in same_family(dictionary) if DICTIONARIES[name][1] > last_id), dictionary)


def _measured(settings: CharucoSettings | AprilGridSettings, views: list[GreyImage]) -> CharucoSettings | AprilGridSettings:
    """Return the settings with the marker's size, or the gap between tags, as the refined corners of the best view have it."""
    if isinstance(settings, AprilGridSettings):
        return _measured_grid(settings, views)
    board = Board(settings, "board")
    found = [BoardDetector(board).detect(view) for view in views]
    best = max(range(len(views)), key=lambda k: int(np.isfinite(found[k][:, 0]).sum()))
    known = np.isfinite(found[best][:, 0])
    if known.sum() < _LEAST_CORNERS:
        return settings
    corners, _ = _read(marker_detector(settings.dictionary), views[best])
    if not len(corners):
        return settings
    size = settings.marker_size
    square = np.array([[0, size], [size, size], [size, 0], [0, 0]])
    axes = np.concatenate([local_maps(square, tag, square)[1] for tag in corners])
    inwards = np.tile([[1.0, -1.0], [-1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]], (len(corners), 1))
    bits = DICTIONARIES[settings.dictionary][0] + 2
    around = Surroundings(reach=0.45 * size, gap=(1 - size) / 2, border=size / bits)
    fit = fit_right_angles(views[best], corners.reshape(-1, 2), axes * inwards[:, None, :], around)
    places, _ = local_maps(found[best][known], board.targets.points[known, :2], fit.pixels[np.isfinite(fit.pixels[:, 0])])
    whole = np.isfinite(fit.pixels[:, 0])
    on_board = np.full((len(whole), 2), np.nan)
    on_board[whole] = places
    sides = np.linalg.norm(np.diff(on_board.reshape(-1, 4, 2), axis=1, append=on_board.reshape(-1, 4, 2)[:, :1]), axis=2)
    measured = float(np.nanmedian(sides)) if np.isfinite(sides).any() else size
    return settings.model_copy(update={"marker_size": round(min(max(measured, 0.3), 0.98), 2)})


def _measured_grid(settings: AprilGridSettings, views: list[GreyImage]) -> AprilGridSettings:
    """Return the settings with the gap that makes the tags' corners fit one plane best, and with or without squares in the gaps."""
    import cv2
    from scipy.optimize import minimize_scalar

    best: tuple[int, AprilGridSettings, FloatArray] | None = None
    for view in views:
        tried = settings.model_copy(update={"corner_squares": _has_corner_squares(settings, view)})
        pixels = BoardDetector(Board(tried, "board")).detect(view)
        count = int(np.isfinite(pixels[:, 0]).sum())
        if best is None or count > best[0]:
            best = (count, tried, pixels)
    assert best is not None
    count, tried, pixels = best
    known = np.isfinite(pixels[:, 0])
    if count < 8:
        return tried

    def misfit(spacing: float) -> float:
        points = Board(tried.model_copy(update={"tag_spacing": spacing}), "board").targets.points[known, :2]
        H, _ = cv2.findHomography(points, pixels[known], 0)
        return 1e9 if H is None else float(((cv2.perspectiveTransform(points[:, None], H)[:, 0] - pixels[known]) ** 2).sum())

    low, high = max(0.5 * tried.tag_spacing, 0.01), min(1.5 * tried.tag_spacing, 1.0)
    spacing = float(minimize_scalar(misfit, bounds=(low, high), method="bounded").x)
    return tried.model_copy(update={"tag_spacing": round(spacing, 3)})


def _has_corner_squares(settings: AprilGridSettings, view: GreyImage) -> bool:
    """Tell whether the places diagonally beyond the corners of the tags are black, rather than white as those beside their edges."""
    corners, _ = _read(marker_detector(settings.dictionary, border_bits=settings.border_bits, close_together=True), view)
    square = np.array([[0.0, 1.0], [1.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
    half = settings.tag_spacing / 2
    diagonal = np.array([[-half, 1 + half], [1 + half, 1 + half], [1 + half, -half], [-half, -half]])
    beside = np.array([[0.5, 1 + half], [1 + half, 0.5], [0.5, -half], [-half, 0.5]])
    votes = []
    for tag in corners:
        maps = [local_maps(square, tag, places)[0] for places in (diagonal, beside, 0.94 * (square - 0.5) + 0.5)]
        inside = all(((pixels >= 0) & (pixels < np.array(view.shape[::-1]) - 1)).all() for pixels in maps)
        if inside:
            greys = [float(np.median(view[tuple(np.rint(pixels[:, ::-1]).astype(int).T)])) for pixels in maps]
            votes.append(greys[0] < (greys[1] + greys[2]) / 2)
    return not votes or bool(np.mean(votes) > 0.5)


def _checkerboard(images: list[GreyImage], sizes: Counter[tuple[int, int]]) -> FoundBoard | None:
    """Return the checkerboard of the size that most images show, the larger of two, if all of it is really there."""
    for (columns, rows), _ in sorted(sizes.items(), key=lambda item: (-item[1], -item[0][0] * item[0][1])):
        for inverted in (False, True):
            settings = CheckerboardSettings(columns=columns + 1, rows=rows + 1, square_size=1.0, inverted=inverted)
            if board_problem(settings):
                continue
            counts = [int(np.isfinite(BoardDetector(Board(settings, "board")).detect(image)[:, 0]).sum()) for image in images]
            if max(counts) >= _LEAST_CORNERS:
                return FoundBoard(settings, False, sum(count > 0 for count in counts), max(counts), True, False)
    return None


def _single_tags(tags: dict[tuple[str, int, Way], Counter[int]]) -> FoundBoard | None:
    """Return the tags of the dictionary of which most were read, if they are not likely to be chance."""
    best: tuple[tuple[int, int, int], FoundBoard] | None = None
    for (name, border, way), times in tags.items():
        ids = tuple(sorted(times))
        bits = DICTIONARIES[name][0]
        if not _more_than_chance(bits, times):
            continue
        settings = MarkersSettings(
            dictionary=_smallest(name, max(ids)), ids=ids, marker_size=1.0, border_bits=border, inverted=way.inverted
        )  # fmt: skip
        rank = (bits, sum(times.values()), -border)
        if best is None or rank > best[0]:
            best = (rank, FoundBoard(settings, False, max(times.values()), 4 * len(ids), not way.mirrored, way.mirrored))
    return None if best is None else best[1]


def _more_than_chance(bits: int, times: Counter[int]) -> bool:
    """Tell whether tags of so many bits a side are there: one of 6 is enough, of 5 it takes two, of 4 two with low numbers.

    Seeing one again in other images proves nothing: the same shadow is misread the same way.
    """
    counted = [i for i in times if bits > 4 or i < _LOW_IDS]
    return len(counted) >= (1 if bits >= 6 else 2)


def _with_size(found: FoundBoard, size: float | None) -> FoundBoard:
    """Return the board with sizes in m."""
    if size is None:
        return found
    names = [name for name in ("square_size", "marker_size") if getattr(found.settings, name, None) is not None]
    scaled = {name: float(f"{getattr(found.settings, name) * size:.5g}") for name in names}
    return replace(found, settings=found.settings.model_copy(update=scaled), sized=True)


def _reduced(image: GreyImage) -> GreyImage:
    import cv2

    small = _LARGEST_PX / max(image.shape)
    return image if small >= 1 else np.asarray(cv2.resize(image, None, fx=small, fy=small, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _tried() -> tuple[str, ...]:
    names = ", ".join(name.removeprefix("DICT_") for name in dict.fromkeys(name for name, _ in _READINGS))
    return (
        f"markers of {names} (and the smaller ones of the same families), AprilTags with borders of 1 and 2 bits",
        "ChArUco boards of 2x2 to 60x60 squares, also in the layout of OpenCV before 4.6; AprilGrids; single tags (of less than 6x6 bits at least two)",
        "checkerboards of 4x4 to 60x60 squares",
        "each as it is, inverted and, except checkerboards, mirrored",
    )
