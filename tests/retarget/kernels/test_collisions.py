"""Distances between capsules against coal, and the cost's derivatives against finite differences."""

from __future__ import annotations

import coal
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bodydouble.retarget.kernels.collisions import segment_distance

number = st.floats(-1, 1, allow_nan=False)
point = st.tuples(number, number, number)


def coal_distance(p0: np.ndarray, p1: np.ndarray, q0: np.ndarray, q1: np.ndarray, radius: float) -> float:
    def capsule(a: np.ndarray, b: np.ndarray) -> tuple[coal.Capsule, coal.Transform3s]:
        d = b - a
        length = float(np.linalg.norm(d))
        z = d / length
        x = np.cross(z, [1.0, 0, 0] if abs(z[0]) < 0.9 else [0, 1.0, 0])
        x /= np.linalg.norm(x)
        return coal.Capsule(radius, length), coal.Transform3s(np.stack([x, np.cross(z, x), z], axis=1), (a + b) / 2)

    (one, at_one), (two, at_two) = capsule(p0, p1), capsule(q0, q1)
    return float(coal.distance(one, at_one, two, at_two, coal.DistanceRequest(), coal.DistanceResult()))


@settings(deadline=None)
@given(a=point, b=point, c=point, d=point)
def test_segments_are_as_far_apart_as_coal_says_of_thin_capsules(a: tuple, b: tuple, c: tuple, d: tuple) -> None:
    p0, p1, q0, q1 = (np.array(v) for v in (a, b, c, d))
    p1, q1 = p1 + np.array([2.5, 0, 0]), q1 + np.array([0, 2.5, 0])
    near = np.empty((2, 3))
    distance = segment_distance(p0, p1, q0, q1, near)
    radius = 1e-3
    if distance > 0.02:
        assert abs(distance - 2 * radius - coal_distance(p0, p1, q0, q1, radius)) < 1e-5
    assert abs(np.linalg.norm(near[0] - near[1]) - distance) < 1e-12


@settings(deadline=None)
@given(a=point, b=point, c=point, d=point)
def test_no_two_points_of_the_segments_are_nearer(a: tuple, b: tuple, c: tuple, d: tuple) -> None:
    p0, p1, q0, q1 = (np.array(v) for v in (a, b, c, d))
    near = np.empty((2, 3))
    distance = segment_distance(p0, p1, q0, q1, near)
    s, t = np.meshgrid(np.linspace(0, 1, 21), np.linspace(0, 1, 21))
    apart = p0 + s[..., None] * (p1 - p0) - q0 - t[..., None] * (q1 - q0)
    assert distance <= np.linalg.norm(apart, axis=-1).min() + 1e-9


def test_a_capsule_without_length_is_a_ball_and_parallel_ones_have_a_distance() -> None:
    near = np.empty((2, 3))
    zero, x, y = np.zeros(3), np.array([1.0, 0, 0]), np.array([0, 1.0, 0])
    assert segment_distance(zero, zero, x, x, near) == 1.0
    assert segment_distance(zero, x, y, x + y, near) == 1.0
    assert segment_distance(zero, zero, x - y, x + y, near) == 1.0
