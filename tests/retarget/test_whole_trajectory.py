"""The whole trajectory at once is smoother than frame after frame, as near to its targets, and inside every limit."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest

from bodydouble.hand_pose.human_motion import HumanMotion
from bodydouble.retarget import Robot, limit_violations
from bodydouble.retarget import whole_trajectory as module
from bodydouble.retarget.kernels.whole import jerk_coefficients
from bodydouble.retarget.retargeting import follow, retarget
from bodydouble.retarget.targets import Targets, make_targets
from bodydouble.retarget.whole_trajectory import BAND, windows

FloatArray = npt.NDArray[np.float64]
Make = Callable[..., HumanMotion]
Sway = Callable[..., FloatArray]


def cost(targets: Targets, errors: dict[str, FloatArray]) -> float:
    return sum(float(np.nansum((targets.weights[:, k] * errors[task.name]) ** 2)) for k, task in enumerate(targets.tasks))


def jerk(positions: FloatArray, rate_hz: float) -> float:
    return float(np.sqrt(np.mean(np.diff(positions, 3, axis=0) ** 2)) * rate_hz**3)


def test_a_motion_too_fast_for_the_robot_is_met_better_than_frame_by_frame_and_breaks_no_limit(
    robot: Robot, person: Make, sway: Sway
) -> None:
    times = np.arange(150) / 60.0
    targets = make_targets(person(times, sway(robot, times, seed=7, rate_hz=5.0, apart=True)), robot)
    stream, whole = follow(targets, robot, times, stream=True), follow(targets, robot, times)
    for trajectory in (stream, whole):
        assert tuple(limit_violations(trajectory)) == (0, 0, 0)
        assert trajectory.flags["acceleration_limited"].any()
    assert cost(targets, whole.task_errors) < 0.7 * cost(targets, stream.task_errors)
    assert jerk(whole.positions, 60) < 0.8 * jerk(stream.positions, 60)


def test_noise_is_smoothed_and_the_motion_under_it_followed(robot: Robot, person: Make, sway: Sway) -> None:
    times = np.arange(120) / 60.0
    truth = sway(robot, times, seed=3, apart=True)
    noisy = np.clip(truth + np.random.default_rng(0).normal(scale=0.01, size=truth.shape), robot.lower, robot.upper)
    stream, whole = (retarget(person(times, noisy), robot, stream=stream) for stream in (True, False))
    assert jerk(whole.positions, 60) < 0.3 * jerk(stream.positions, 60)
    arms = [i for i, name in enumerate(robot.joint_names) if "elbow" in name or "_mcp" in name]
    assert np.abs(whole.positions - truth)[:, arms].mean() < np.abs(noisy - truth)[:, arms].mean()


def test_the_same_motion_at_another_rate_keeps_the_same_limits(robot: Robot, person: Make, sway: Sway) -> None:
    found = []
    for rate in (30, 120):
        times = np.arange(2 * rate) / rate
        trajectory = retarget(person(times, sway(robot, times, seed=5, rate_hz=2.0, apart=True)), robot)
        assert tuple(limit_violations(trajectory)) == (0, 0, 0)
        found.append(trajectory.positions[:: rate // 30])
    assert np.median(np.abs(found[0] - found[1])) < np.radians(0.5)


def test_windows_cover_every_frame_and_start_where_the_last_one_is_done() -> None:
    for frames in (BAND, 899, 900, 989, 990, 2751):
        spans = list(windows(frames))
        assert spans[0][:2] == (0, 0)
        assert spans[-1][2] == frames
        for (_, _, stop), (start, held, _) in pairwise(spans):
            assert start == held - BAND + 1
            assert held < stop


def test_a_motion_solved_in_windows_has_no_seam(robot: Robot, person: Make, sway: Sway, monkeypatch: pytest.MonkeyPatch) -> None:
    times = np.arange(160) / 60.0
    motion = person(times, sway(robot, times, seed=4, apart=True))
    at_once = retarget(motion, robot)
    monkeypatch.setattr(module, "WINDOW", 70)
    monkeypatch.setattr(module, "OVERLAP", 25)
    in_windows = retarget(motion, robot)
    assert tuple(limit_violations(in_windows)) == (0, 0, 0)
    assert np.abs(in_windows.positions - at_once.positions).max() < np.radians(0.3)


def test_jerk_is_exact_for_a_cubic_over_uneven_times_that_are_even_in_the_end() -> None:
    times, c = np.array([0.0, 0.1, 0.2, 0.3]), np.empty(4)
    jerk_coefficients(times, 3, c)
    assert c @ (2 * times**3 + times**2 - 1) == pytest.approx(12.0)
    uneven = np.array([0.0, 0.1, 0.25, 0.3])
    jerk_coefficients(uneven, 3, c)
    assert c @ (3 * uneven**2 - uneven + 4) == pytest.approx(0.0, abs=1e-9)
    assert c.sum() == pytest.approx(0.0, abs=1e-9)
