"""Two hands followed through five cameras, with a network that reads where it looks from the image's colours."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from bodydouble.calibration import preset_rig
from bodydouble.hand_pose.hand_models import HandReading, Palm
from bodydouble.hand_pose.hand_tracker import CameraView, HandTracker, HandTrackerSettings, search_views
from bodydouble.hand_pose.human import Human
from bodydouble.hand_pose.landmarks import LEFT_HAND, RIGHT_HAND
from bodydouble.hand_pose.skeleton import TYPICAL_LENGTHS

RIG = preset_rig("optimus-helmet5")
CAMERAS = tuple(RIG.cameras)
PERIOD = 1 / 30


def hands_at(time_s: float) -> dict[str, np.ndarray]:
    """Return the hands (21, 3) m in the helmet's frame, half a metre before the chest and moving about."""
    human = Human(np.array(list(TYPICAL_LENGTHS.values())))
    points = human.landmarks(human.rest)
    hands = {}
    for side, rows, y in (("left", LEFT_HAND, 0.15), ("right", RIGHT_HAND, -0.15)):
        shape = points[rows] - points[rows].mean(axis=0)
        lying = shape[:, [2, 1, 0]] * (-1.0, 1.0, 1.0)  # fingers forward
        hands[side] = lying + np.array([0.35 + 0.05 * np.sin(3 * time_s), y, -0.35 + 0.05 * np.cos(4 * time_s)])
    return hands


@dataclass
class ColourReader:
    """Stands for the networks: pixels say in red and green where they are, in blue which camera they are of."""

    present: dict[str, np.ndarray]
    hidden: set[tuple[int, str]] = field(default_factory=set)
    wrong: dict[int, np.ndarray] = field(default_factory=dict)
    """Camera to an offset (2,) px by which it is wrong."""
    looked: int = 0

    def palms(self, square, least_score):
        return [
            Palm(0.9, (points[[0, 5, 9, 13, 17, 1, 2]] + 0.5) / square.shape[0], self._box(points[[0, 5, 9, 13, 17]], square.shape[0]))
            for name, points in self._seen(square)
            if points.min() > 0 and points.max() < square.shape[0] - 1
        ]

    def hand(self, crop):
        self.looked += 1
        seen = [(np.linalg.norm(points.mean(axis=0) - 112), name, points) for name, points in self._seen(crop)]
        near = [item for item in seen if item[0] < 60]
        if not near:
            return HandReading(np.zeros((21, 2)), np.zeros((21, 3)), 0.0, 0.5)
        _, name, points = min(near, key=lambda item: item[0])
        shape = np.concatenate([points - points.mean(axis=0), np.zeros((21, 1))], axis=1)
        shape *= 0.1 / max(np.linalg.norm(shape[9] - shape[0]), 1e-6)
        return HandReading(points, shape, 0.95, 0.9 if name == "left" else 0.1)

    def _box(self, points, side):
        low, high = points.min(axis=0) / side, points.max(axis=0) / side
        middle, half = (low + high) / 2, (high - low).max() / 2
        return np.concatenate([middle - half, middle + half])

    def _seen(self, image):
        camera = int(np.median(image[image[..., 2] > 0][:, 2]) / 20) - 1 if (image[..., 2] > 0).any() else -1
        if camera < 0:
            return
        rig_camera = RIG.camera(CAMERAS[camera])
        T = np.linalg.inv(rig_camera.T_body_camera)
        width, height = rig_camera.model.image_size
        coarse = image[2::4, 2::4]
        where = coarse[..., :2].astype(float) * (width / 255, height / 255)
        where[coarse[..., 2] == 0] = 1e6
        for name, hand in self.present.items():
            pixels = rig_camera.model.project(hand @ T[:3, :3].T + T[:3, 3]) + self.wrong.get(camera, np.zeros(2))
            if (camera, name) in self.hidden or not np.isfinite(pixels).all():
                continue
            found = [np.unravel_index(np.argmin(np.sum((where - pixel) ** 2, axis=-1)), where.shape[:2]) for pixel in pixels]
            points = np.array([(x, y) for y, x in found], dtype=float) * 4 + 2
            if np.median([np.linalg.norm(where[y, x] - pixel) for (y, x), pixel in zip(found, pixels, strict=True)]) < 25:
                yield name, points


def views() -> list[CameraView]:
    shown = []
    for number, name in enumerate(CAMERAS):
        camera = RIG.camera(name)
        width, height = camera.model.image_size
        v, u = np.mgrid[:height, :width]
        image = np.stack([u * 255 / width, v * 255 / height, np.full(u.shape, 20 * (number + 1))], axis=-1).round().astype(np.uint8)
        shown.append(CameraView(image, camera.model, camera.T_body_camera))
    return shown


VIEWS = views()
BRIGHT = HandTrackerSettings(dark=0.0)


def run(reader: ColourReader, count: int, tracker: HandTracker | None = None, first: int = 0, given=VIEWS):
    tracker = tracker or HandTracker(reader, BRIGHT)
    tracks = []
    for frame in range(first, first + count):
        reader.present = {name: hand for name, hand in hands_at(frame * PERIOD).items() if name in reader.present}
        tracks = tracker.update(given, frame * PERIOD)
    return tracker, tracks


def error_mm(track, time_s: float) -> dict[str, float]:
    return {name: 1e3 * float(np.linalg.norm(track.points - hand, axis=1).mean()) for name, hand in hands_at(time_s).items()}


def test_both_hands_are_found_at_the_first_instant_and_placed_by_several_cameras():
    _, tracks = run(ColourReader(hands_at(0)), 1)
    assert len(tracks) == 2
    for track in tracks:
        assert len(track.seen) >= 2
        assert min(error_mm(track, 0.0).values()) < 15
    assert {min(error, key=error.get) for error in (error_mm(track, 0.0) for track in tracks)} == {"left", "right"}


def test_a_followed_hand_keeps_its_number_and_is_looked_at_once_a_camera():
    reader = ColourReader(hands_at(0))
    tracker, tracks = run(reader, 12)
    numbers = sorted(track.number for track in tracks)
    before = reader.looked
    _, tracks = run(reader, 4, tracker, first=12)
    assert sorted(track.number for track in tracks) == numbers
    # Three looks at each palm that a searched view holds.
    assert reader.looked - before <= 4 * 2 * len(CAMERAS) + 2 * 2 * 3
    assert all(min(error_mm(track, 15 * PERIOD).values()) < 15 for track in tracks)


def test_a_camera_that_disagrees_is_left_out():
    reader = ColourReader(hands_at(0))
    tracker, _ = run(reader, 2)
    reader.wrong = {CAMERAS.index("left_down"): np.array([130.0, 0.0])}
    _, tracks = run(reader, 1, tracker, first=2)
    for track in tracks:
        if len(track.seen) >= 2:
            assert min(error_mm(track, 2 * PERIOD).values()) < 25
            assert CAMERAS.index("left_down") not in track.seen


def test_a_hand_that_hides_for_long_and_comes_back_is_a_new_track():
    reader = ColourReader(hands_at(0))
    tracker, before = run(reader, 3)
    reader.present = {"left": hands_at(0)["left"]}
    _, alone = run(reader, 14, tracker, first=3)
    assert len(alone) == 1
    reader.present = hands_at(0)
    _, tracks = run(reader, 10, tracker, first=17)
    assert len(tracks) == 2
    assert {track.number for track in tracks} - {track.number for track in before}


def test_a_hand_farther_than_an_arm_is_somebody_elses():
    far = {"left": hands_at(0)["left"] + (1.2, 0.0, 0.0)}
    reader = ColourReader(far)
    tracker = HandTracker(reader, BRIGHT)
    for frame in range(3):
        tracks = tracker.update(VIEWS, frame * PERIOD)
    assert tracks == []


def test_without_any_image_there_are_no_hands():
    assert HandTracker(ColourReader({}), BRIGHT).update([None] * 5, 0.0) == []


@pytest.mark.parametrize("name", ["front", "left_down"])
def test_every_part_of_the_image_but_its_far_corners_is_searched(name):
    model = RIG.camera(name).model
    width, height = model.image_size
    pixels = np.stack(np.meshgrid(np.linspace(5, width - 5, 25), np.linspace(5, height - 5, 19)), axis=-1).reshape(-1, 2)
    rays = model.rays(pixels)
    shown = np.zeros(len(pixels), dtype=bool)
    for view in search_views(model):
        inside = rays @ view.R_camera_crop
        shown |= (inside[:, 2] > 0) & (np.abs(inside[:, :2]).max(axis=1) <= view.half * inside[:, 2])
    away = np.abs(pixels / (width, height) - 0.5)
    assert shown[away.max(axis=1) < 0.38].all()
    assert shown.mean() > 0.85
