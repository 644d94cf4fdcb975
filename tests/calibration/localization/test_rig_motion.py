"""The motion of a rig: poses at any time, the file, the picture."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from simulated_capture import as_built, person, room_tags, simulate

from bodydouble.calibration import rotation
from bodydouble.calibration.bundle.motion_prior import MotionPrior
from bodydouble.calibration.localization.motion_between import between
from bodydouble.calibration.localization.motion_sketch import motion_sketch
from bodydouble.calibration.localization.rig_localization import LocationSettings, locate
from bodydouble.calibration.localization.rig_motion import BodyMotion, Outcome, RigMotion, Source, outcome_counts
from bodydouble.calibration.localization.tag_map import TagMap
from bodydouble.calibration.presets import preset_rig
from bodydouble.calibration.transform import pose_distance, pose_from_rotvec
from bodydouble.errors import DataError, FileExistsUsageError, UnknownNameError, UsageError

BOARD, PLACES = room_tags()
ROOM = TagMap(BOARD.targets, PLACES, (BOARD,), name="kitchen")
EMPTY = slice(12, 18)


@pytest.fixture(scope="module")
def motion() -> RigMotion:
    """A helmet and a backpack for 2 s at 20 Hz; the helmet saw nothing at moments 12 to 17."""
    rig = as_built(preset_rig("optimus-helmet-backpack5"))
    seen, _ = simulate(rig, BOARD.targets, PLACES, person(), seconds=2, rate_hz=20)
    pixels = seen.pixels.copy()
    pixels[:3, EMPTY] = np.nan
    found = locate(rig, ROOM, replace(seen, pixels=pixels), LocationSettings(rig_sigma=False))
    return replace(found, provenance={"recording": "simulated"})


def test_a_located_moment_is_given_as_it_was_observed(motion: RigMotion) -> None:
    helmet = motion.body("helmet")
    at = helmet.pose_at(helmet.times_s)
    assert np.array_equal(at.T_room_body, helmet.T_room_body, equal_nan=True)
    assert np.array_equal(at.covariance, helmet.covariance, equal_nan=True)
    assert np.array_equal(at.source == Source.OBSERVED, helmet.observed)
    assert (at.source[EMPTY] == Source.MISSING).all()


def test_between_moments_a_pose_is_interpolated_says_so_and_is_right_within_its_sigma(motion: RigMotion) -> None:
    backpack = motion.body("backpack")
    middle = (backpack.times_s[:-1] + backpack.times_s[1:]) / 2
    at = backpack.pose_at(middle)
    assert (at.source == Source.INTERPOLATED).all()
    true = person()["backpack"](middle)
    turned = rotation.log(np.swapaxes(at.T_room_body[:, :3, :3], 1, 2) @ true[:, :3, :3])
    error = np.concatenate([turned, true[:, :3, 3] - at.T_room_body[:, :3, 3]], axis=1)
    sigma = np.sqrt(np.einsum("tii->ti", at.covariance))
    assert np.linalg.norm(error[:, 3:], axis=1).max() < 1e-3
    assert (np.abs(error) < 3 * sigma).mean() > 0.97
    assert (sigma > 0.5 * np.sqrt(np.einsum("tii->ti", backpack.covariance))[:-1]).all()


def test_nothing_is_interpolated_over_a_gap_or_extrapolated(motion: RigMotion) -> None:
    helmet = motion.body("helmet")
    inside = np.linspace(helmet.times_s[12], helmet.times_s[17], 7)
    for times in (inside, [helmet.times_s[0] - 0.01, helmet.times_s[-1] + 0.01], [np.nan]):
        at = helmet.pose_at(times)
        assert (at.source == Source.MISSING).all()
        assert np.isnan(at.T_room_body).all()
        assert np.isnan(at.covariance).all()
    bridged = helmet.pose_at(inside, longest_gap_s=0.4)
    assert (bridged.source == Source.INTERPOLATED).all()
    wide, narrow = bridged.covariance[3], helmet.covariance[11]
    assert wide[3, 3] > 25 * narrow[3, 3], "what may have happened in the gap counts"
    _, away = pose_distance(bridged.T_room_body, person()["helmet"](inside))
    assert (away < 4 * np.sqrt(np.einsum("tii->ti", bridged.covariance)[:, 3:].sum(axis=1))).all()


def test_one_moment_alone_and_none_at_all() -> None:
    pose = pose_from_rotvec([0.1, 0.2, 0.3], [1, 2, 3])
    times = np.array([0.0, 0.05, 0.1])
    T = np.full((3, 4, 4), np.nan)
    T[1] = pose
    outcome = np.array([Outcome.UNSEEN, Outcome.LOCATED, Outcome.TOO_FEW], np.uint8)
    body = BodyMotion(
        times, T, np.full((3, 6, 6), 1e-6), np.full((3, 6), np.nan), (1.0, 1.0), (0.0, 0.0), outcome, np.zeros(3), np.zeros(3)
    )
    at = body.pose_at([0.04, 0.05, 0.06])
    assert at.source.tolist() == [Source.MISSING, Source.OBSERVED, Source.MISSING]
    assert np.array_equal(at.T_room_body[1], pose)
    assert body.gaps() == [(0, 1), (2, 3)]
    assert outcome_counts(body)[Outcome.TOO_FEW] == 1
    nothing = replace(body, outcome=np.full(3, Outcome.UNSEEN, np.uint8))
    assert (nothing.pose_at(times).source == Source.MISSING).all()
    stills = replace(body, times_s=np.full(3, np.nan))
    with pytest.raises(UsageError, match="no times, because it was made of stills"):
        stills.pose_at([0.0])


def test_a_cubic_goes_through_both_ends_with_their_rates() -> None:
    random = np.random.default_rng(0)
    T = pose_from_rotvec(random.normal(0, 0.3, (2, 5, 3)), random.normal(0, 0.1, (2, 5, 3)))
    rate = random.normal(0, 0.5, (2, 5, 6))
    covariance = np.broadcast_to(np.eye(6) * 1e-6, (5, 6, 6))
    gap = np.full(5, 0.1)

    def at(late: float) -> np.ndarray:
        return between(T[0], T[1], rate[0], rate[1], covariance, covariance, gap, np.full(5, late), (1.0, 1.0))[0]

    h = 1e-6
    for end, late in ((0, 0.0), (1, 0.1)):
        turned, away = pose_distance(T[end], at(late))
        assert turned.max() < 1e-9
        assert away.max() < 1e-9
        one, two = (at(late - h), at(late + h))
        spin = rotation.log(np.swapaxes(one[:, :3, :3], 1, 2) @ two[:, :3, :3]) / (2 * h)
        assert np.allclose(spin, rate[end, :, :3], atol=1e-4)
        assert np.allclose((two - one)[:, :3, 3] / (2 * h), rate[end, :, 3:], atol=1e-4)


@pytest.mark.parametrize("known", [True, False])
def test_what_may_happen_in_between_is_that_of_white_noise_on_acceleration(known: bool) -> None:
    """Against a Gaussian process that is conditioned numerically on both ends."""
    h, size = 0.2, 3.0
    q = size**2 * MotionPrior().settling_s
    grid = np.linspace(0, h, 5)

    def covariance(a: np.ndarray, b: np.ndarray, da: int, db: int) -> np.ndarray:
        s, t = np.minimum(a[:, None], b[None]), np.maximum(a[:, None], b[None])
        if (da, db) == (0, 0):
            return q * s**2 * (3 * t - s) / 6
        if (da, db) == (1, 1):
            return q * s
        place, rate = (a[:, None], b[None]) if db else (b[None], a[:, None])
        return q * np.where(rate > place, place**2 / 2, rate * (2 * place - rate) / 2)

    start = 1e6
    K = covariance(grid, grid, 0, 0) + start * (1 + np.outer(grid, grid))
    end = np.array([h])
    ends = [0, 4]
    if known:
        rates = np.array([0.0, h])
        C = np.block([
            [K[np.ix_(ends, ends)], covariance(grid[ends], rates, 0, 1) + start * grid[ends][:, None]],
            [covariance(rates, grid[ends], 1, 0) + start * grid[ends][None], covariance(rates, rates, 1, 1) + start],
        ])  # fmt: skip
        cross = np.hstack([K[:, ends], covariance(grid, rates, 0, 1) + start * grid[:, None]])
    else:
        C, cross = K[np.ix_(ends, ends)], K[:, ends]
    # At the start place and rate are the start itself; a little jitter keeps the inverse regular.
    left = np.diag(K - cross @ np.linalg.solve(C + 1e-9 * np.eye(len(C)), cross.T))
    T = np.broadcast_to(np.eye(4), (5, 4, 4))
    rate = np.zeros((5, 6)) if known else np.full((5, 6), np.nan)
    zero = np.zeros((5, 6, 6))
    _, found = between(T, T, rate, rate, zero, zero, np.full(5, end[0]), grid, (size, size))
    assert np.allclose(found[1:4, 3, 3], left[1:4], rtol=0.02, atol=2e-9)


def test_loading_gives_the_same_motion_to_the_last_bit(motion: RigMotion, tmp_path: Path) -> None:
    motion.save(tmp_path / "rig_motion.h5")
    again = RigMotion.load(tmp_path / "rig_motion.h5")
    assert (again.rig, again.room, again.covariance_of) == (motion.rig, "kitchen", ("pixels",))
    assert again.rejected == motion.rejected
    assert again.noise_px == motion.noise_px
    assert again.provenance == {"recording": "simulated"}
    assert list(again.bodies) == list(motion.bodies) == ["helmet", "backpack"]
    for name, body in motion.bodies.items():
        other = again.body(name)
        for array in ("times_s", "T_room_body", "covariance", "rate", "outcome", "points", "targets"):
            assert np.array_equal(getattr(other, array), getattr(body, array), equal_nan=True)
        assert (other.acceleration, other.slack) == (body.acceleration, body.slack)
    with h5py.File(tmp_path / "rig_motion.h5") as file:
        assert np.array_equal(file["bodies/helmet/observed"][()], motion.body("helmet").observed)
        assert "NaN where not observed" in file["bodies/helmet/T_room_body"].attrs["is"]


def test_a_file_that_is_there_is_not_replaced_unasked_and_stays_whole(motion: RigMotion, tmp_path: Path) -> None:
    path = tmp_path / "rig_motion.h5"
    motion.save(path)
    before = path.read_bytes()
    with pytest.raises(FileExistsUsageError):
        motion.save(path)
    broken = replace(motion, provenance={"bad": object()})  # type: ignore[dict-item]
    with pytest.raises(TypeError):
        broken.save(path, force=True)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    motion.save(path, force=True)


def test_a_file_of_another_kind_or_of_a_newer_version_is_told(motion: RigMotion, tmp_path: Path) -> None:
    path = tmp_path / "other.h5"
    path.write_bytes(b"no HDF5")
    with pytest.raises(DataError, match="is not a rig motion file"):
        RigMotion.load(path)
    with pytest.raises(DataError, match="is not a rig motion file"):
        RigMotion.load(tmp_path / "missing.h5")
    with h5py.File(path, "w") as file:
        file["landmarks"] = 1
    with pytest.raises(DataError, match="it does not say that it is one"):
        RigMotion.load(path)
    motion.save(path, force=True)
    with h5py.File(path, "a") as file:
        file.attrs["version"] = 99
    with pytest.raises(DataError, match="it has version 99"):
        RigMotion.load(path)


def test_long_lists_of_what_was_left_out_fit_into_the_file(motion: RigMotion, tmp_path: Path) -> None:
    many = replace(motion, rejected={f"front frame {i} tag_3": "12.0 px off what the rest says" for i in range(3000)})
    many.save(tmp_path / "rig_motion.h5")
    assert RigMotion.load(tmp_path / "rig_motion.h5").rejected == many.rejected


def test_arrays_are_read_only_and_names_are_checked(motion: RigMotion) -> None:
    with pytest.raises(ValueError, match="read-only"):
        motion.body("helmet").T_room_body[0, 0, 0] = 1.0
    with pytest.raises(UnknownNameError, match="body 'helmt' is not in the motion"):
        motion.body("helmt")
    body = motion.body("helmet")
    with pytest.raises(ValueError, match="covariance has shape"):
        replace(body, covariance=body.covariance[:5])


def test_the_picture_shows_every_tag_each_run_of_moments_and_what_was_left_out(motion: RigMotion) -> None:
    told = replace(motion, rejected={"tag_2": "it is 9.4 cm from its place in the map"})
    root = ElementTree.fromstring(motion_sketch(told, ROOM))
    assert root.tag.endswith("svg")
    css = [element.get("class", "") for element in root.iter()]
    assert sum(name.startswith("target") for name in css) == 24
    assert css.count("target gone") == 1
    assert sum(name.startswith("path ") for name in css) == 3, "the helmet's path is in two parts"
    text = " ".join(root.itertext())
    assert "helmet: located at 85.0 % of 40 moments, 1 gap" in text
    assert "backpack: located at 100.0 % of 40 moments, no gap" in text
    points = [
        float(value)
        for element in root.iter()
        if element.tag.endswith("polyline")
        for value in element.get("points", "").replace(",", " ").split()
    ]
    assert np.isfinite(points).all()


def test_the_picture_of_a_body_that_was_never_located_has_no_path(motion: RigMotion) -> None:
    body = motion.body("helmet")
    nan = np.full_like
    gone = replace(body, T_room_body=nan(body.T_room_body, np.nan), outcome=np.full(len(body.times_s), Outcome.UNSEEN, np.uint8))
    root = ElementTree.fromstring(motion_sketch(replace(motion, bodies={"helmet": gone}), ROOM))
    assert not any(element.get("class", "").startswith("path ") for element in root.iter())
    assert "helmet: located at 0.0 % of 40 moments, 1 gap" in " ".join(root.itertext())
