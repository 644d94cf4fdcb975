"""Small bundle adjustments with known truth: a few cameras, moments and targets, turned any way in the room, all in view of each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from bodydouble.calibration import (
    CameraModel,
    DoubleSphereCamera,
    Fisheye624Camera,
    FisheyeCamera,
    OmniCamera,
    PinholeCamera,
    rotation,
    transform,
)
from bodydouble.calibration.bundle.images import images_of
from bodydouble.calibration.bundle.linearization import Linearization, linearize, residuals
from bodydouble.calibration.bundle.normal import Normal, normal_equations
from bodydouble.calibration.bundle.priors import Priors
from bodydouble.calibration.bundle.state import STATIC, Layout, State, Structure, Views, layout, motion_of, stepped

FloatArray = npt.NDArray[np.float64]

_SIZE = (1600, 1200)
LENSES: dict[str, CameraModel] = {
    "pinhole": PinholeCamera(_SIZE, (500.0, 510.0), (801.0, 599.0), (-0.1, 0.02, 1e-3, -5e-4, 1e-3)),
    "pinhole8": PinholeCamera(_SIZE, (500.0, 510.0), (801.0, 599.0), (0.3, -0.1, 1e-3, -5e-4, 0.01, 0.5, 0.1, 0.02)),
    "fisheye": FisheyeCamera(_SIZE, (400.0, 410.0), (801.0, 599.0), (0.01, -0.001, 1e-4, 1e-5)),
    "omni": OmniCamera(_SIZE, (900.0, 910.0), (801.0, 599.0), (1.4, -0.1, 0.05, 1e-3, -1e-3)),
    "double_sphere": DoubleSphereCamera(_SIZE, (300.0, 310.0), (801.0, 599.0), (-0.2, 0.6)),
    "fisheye624": Fisheye624Camera(
        _SIZE, (300.0, 310.0), (801.0, 599.0), (0.02, -0.01, 0.003, -1e-3, 1e-4, 1e-5, 1e-3, -5e-4, 2e-3, 1e-4, -1e-3, -1e-4)
    ),
}
"""One camera of every model; those of every form of a model that the bundle adjustment may be given."""

RIGS: dict[str, tuple[Sequence[int], Sequence[int], Sequence[int]]] = {
    "moving board": ([0, 0, 0], [STATIC], [0]),
    "moving head": ([0, 0, 0], [0], [STATIC, STATIC]),
    "two bodies": ([0, 0, 1], [0, 1], [STATIC, STATIC]),
    "all at once": ([0, 0, 1, 2], [STATIC, 0, 1], [STATIC, 2, STATIC, 3]),
    "nothing moves": ([0, 0], [STATIC], [STATIC, STATIC]),
}
"""Body of each camera; chain of each body; chain of each target."""


@dataclass(frozen=True)
class Bundle:
    """A bundle adjustment and the state that its pixels were made from."""

    structure: Structure
    views: Views
    state: State
    """The truth."""
    where: Layout
    priors: Priors


def make_bundle(
    rig: str = "moving head", *, order: int = 1, lenses: Sequence[str] = ("pinhole", "fisheye"), moments: int = 4, points: int = 5,
    noise_px: float = 0.0, noise: Callable[[np.random.Generator, tuple[int, ...]], FloatArray] | None = None, jitter_s: float = 0.0,
    hold: bool = True, seed: int = 0, size_m: float = 0.4,
) -> Bundle:  # fmt: skip
    """Return a bundle of one of the ``RIGS``; every camera sees every target at every moment.

    ``lenses`` are dealt out in turn. ``noise`` makes pixel errors (V, n, 2), Gaussian of ``noise_px`` by default; ``jitter_s`` is one standard
    deviation of the stamps' errors. ``hold``: the first camera of each body, the first clock and the first static target are held, as they must
    be for the equations to decide the rest; else nothing is held.
    """
    random = np.random.default_rng(seed)
    bodies, chain_of_body, chain_of_target = (np.array(item) for item in RIGS[rig])
    cameras, targets = len(bodies), len(chain_of_target)
    moment_s = np.cumsum(random.uniform(0.08, 0.14, moments))
    structure = Structure(bodies, chain_of_body, chain_of_target, moment_s, order)
    models = tuple(LENSES[lenses[c % len(lenses)]] for c in range(cameras))

    room, at_rest = _anywhere(random, 1.0), [_anywhere(random, 0.1) for _ in chain_of_body]
    for body, chain in enumerate(chain_of_body):
        if chain == STATIC:
            at_rest[body] = np.eye(4)
    looking = [_near(random, 0.1, 0.1) for _ in bodies]
    mounts = np.stack([transform.invert(at_rest[b]) @ (room if chain_of_body[b] == STATIC else np.eye(4)) @ looking[c]
                       for c, b in enumerate(bodies)])  # fmt: skip
    grid = np.array([[x, y, 1.6] for y in (0.35, -0.35) for x in (-0.5, 0.0, 0.5)])
    facing = [transform.pose_from(np.eye(3), grid[g % len(grid)]) @ _near(random, 0.4, 0.1) for g in range(targets)]
    T_room_target = np.stack([room @ T for T in facing])

    ways: dict[int, Way] = {}
    for body, chain in enumerate(chain_of_body):
        ways[int(chain)] = _swaying(random, room, at_rest[body], 0.1, 0.1)
    for target, chain in enumerate(chain_of_target):
        ways[int(chain)] = _swaying(random, room @ facing[target], np.eye(4), 0.5, 0.15)
    ways.pop(STATIC, None)
    knots = np.stack([ways[chain](moment_s) for chain in range(structure.chains)]) if ways else np.zeros((0, moments, 4, 4))
    rates = (
        np.stack([_rates(ways[chain], moment_s, order) for chain in range(structure.chains)])
        if ways
        else np.zeros((0, moments, order - 1, 6))
    )

    moment, camera, target = (item.ravel() for item in np.mgrid[:moments, :cameras, :targets])
    offset_s = random.uniform(-0.01, 0.01, cameras)
    offset_s[0] = 0.0
    late_s = random.uniform(-0.01, 0.01, (moments, cameras))
    time_s = moment_s[moment] + late_s[moment, camera]
    shape = random.uniform(-0.5, 0.5, (targets, points, 3)) * [size_m, size_m, 0.3 * size_m]
    number = target[:, None] * points + np.arange(points)
    expected = np.stack([np.pad(model.parameters, (0, _most(models) - len(model.parameters))) for model in models])
    state = State(models, mounts, offset_s, T_room_target, knots, rates)
    views = Views(camera, moment, target, time_s, shape[target], np.zeros((*number.shape, 2)), number)
    seen = residuals(state, structure, replace(views, time_s=time_s + random.normal(0, 1, (moments, cameras))[moment, camera] * jitter_s))
    error = noise(random, seen.shape) if noise is not None else random.normal(0, 1, seen.shape) * noise_px
    views = replace(views, pixels=seen + error)

    first_of_body = np.isin(np.arange(cameras), [np.flatnonzero(bodies == b)[0] for b in range(len(chain_of_body))])
    static = np.flatnonzero(chain_of_target == STATIC)
    free_lens = np.array([np.arange(_most(models)) < len(model.parameters) for model in models])
    held_mount = first_of_body & ((chain_of_body[bodies] != STATIC) | (len(static) == 0)) if hold else np.zeros(cameras, dtype=bool)
    held_target = np.isin(np.arange(targets), static[:1]) if hold else np.zeros(targets, dtype=bool)
    held_clock = np.arange(cameras) == 0 if order > 1 else np.ones(cameras, dtype=bool)
    where = layout(
        free_lens, ~held_mount, ~held_clock if hold else np.ones(cameras, dtype=bool), ~held_target & (chain_of_target == STATIC)
    )
    return Bundle(structure, views, state, where, Priors(expected, np.full(expected.shape, np.inf), aspect_sigma=1.0))


def disturbed(bundle: Bundle, scale: float = 1.0, seed: int = 1) -> State:
    """Return the truth, with all that is free a little off: 1 % of the focal length, 5 mm, 10 mrad, 1 ms, times ``scale``."""
    random = np.random.default_rng(seed)
    step = np.zeros(bundle.where.size + 1)
    step[bundle.where.intrinsics] = 1e-3
    for c, model in enumerate(bundle.state.models):
        step[bundle.where.intrinsics[c, :4]] = [0.01 * model.focal[0]] * 2 + [5.0] * 2
    for index in (bundle.where.mount, bundle.where.target):
        step[index] = [0.01] * 3 + [0.005] * 3
    step[bundle.where.offset] = 1e-3
    moments, chains, order = len(bundle.structure.moment_s), bundle.structure.chains, bundle.structure.order
    terms = np.array([[0.01] * 3 + [0.005] * 3, [0.1] * 6, [1.0] * 6])[:order].ravel()
    local = random.normal(0, scale, (moments, chains * len(terms))) * np.tile(terms, chains)
    return stepped(bundle.state, bundle.where, random.normal(0, scale, len(step) - 1) * step[:-1], local)


def hidden(bundle: Bundle, share: float = 0.3, seed: int = 5) -> Bundle:
    """Return the bundle with a share of the points not seen, a view of which nothing is seen, and some views gone."""
    random = np.random.default_rng(seed)
    gone = random.random(bundle.views.point.shape) < share
    gone[1] = True
    return replace(bundle, views=bundle.views.without(gone).select(random.random(len(gone)) > 0.2))


def linear_of(bundle: Bundle, state: State) -> Linearization:
    """Linearize all views of a bundle at a state."""
    return linearize(state, bundle.structure, bundle.views, bundle.where.intrinsics.shape[1])


def T_camera_target(bundle: Bundle, state: State, v: int) -> FloatArray:
    """Return where the target of a view is in its camera."""
    images, g = images_of(state, bundle.structure, bundle.views), bundle.views.target[v]
    T = transform.pose_from(images.R[images.of_view[v]], images.t[images.of_view[v]])
    return T @ state.T_room_target[g] if bundle.structure.chain_of_target[g] == STATIC else T


def unknowns(bundle: Bundle) -> int:
    """Return the number of all unknowns: size + M * K."""
    return bundle.where.size + len(bundle.structure.moment_s) * bundle.structure.chains * 6 * bundle.structure.order


def moved_along(bundle: Bundle, state: State, unknown: int, by: float) -> State:
    """Return ``state`` with one unknown changed, numbered with the global ones first."""
    step = np.zeros(unknowns(bundle))
    step[unknown] = by
    return stepped(state, bundle.where, step[: bundle.where.size], step[bundle.where.size :].reshape(len(bundle.structure.moment_s), -1))


def jacobian_by_differences(bundle: Bundle, state: State, of: Callable[[State], FloatArray]) -> FloatArray:
    """Return the derivatives (..., size + M * K) of what ``of`` tells about a state by all unknowns: central differences."""
    columns = []
    pixels = bundle.where.intrinsics[:, :4]
    for unknown in range(unknowns(bundle)):
        h = 0.02 if unknown in pixels else 2e-5
        columns.append((of(moved_along(bundle, state, unknown, h)) - of(moved_along(bundle, state, unknown, -h))) / (2 * h))
    return np.stack(columns, axis=-1)


def dense_jacobian(bundle: Bundle, linear: Linearization) -> FloatArray:
    """Return the derivatives (V * n * 2, size + M * K) that a linearization stands for, read from gradients of one residual at a time."""
    rows = []
    for number in range(linear.residual.size):
        residual = np.zeros(linear.residual.size)
        residual[number] = 1.0
        one = replace(linear, residual=residual.reshape(linear.residual.shape))
        normal = normal_equations(one, bundle.structure, bundle.views, bundle.where, bundle.views.seen.astype(float))
        rows.append(dense_gradient(normal))
    return np.stack(rows)


def dense(normal: Normal) -> FloatArray:
    """Return the whole symmetric matrix (size + M * K) of normal equations."""
    M, K, size = normal.local_global.shape
    H = np.zeros((size + M * K,) * 2)
    H[:size, :size] = normal.global_global
    for m in range(M):
        here = slice(size + m * K, size + (m + 1) * K)
        H[here, here] = normal.local_local[m]
        H[here, :size] = normal.local_global[m]
        H[:size, here] = normal.local_global[m].T
        if m + 1 < M:
            after = slice(size + (m + 1) * K, size + (m + 2) * K)
            H[here, after] = normal.local_next[m]
            H[after, here] = normal.local_next[m].T
    return H


def dense_gradient(normal: Normal) -> FloatArray:
    """Return the gradient (size + M * K,) of normal equations."""
    return np.concatenate([normal.global_gradient, normal.local_gradient.ravel()])


def plain_residuals(bundle: Bundle, state: State) -> FloatArray:
    """Return predicted minus seen pixels (V, n, 2), one view at a time through 4x4 poses."""
    views, structure = bundle.views, bundle.structure
    result = np.zeros(views.pixels.shape)
    for v in range(len(views)):
        c, m, g = views.camera[v], views.moment[v], views.target[v]
        dt = views.time_s[v : v + 1] + state.offset_s[c] - structure.moment_s[m]

        def at(chain: int, m: int = m, dt: FloatArray = dt) -> FloatArray:
            motion = motion_of(state, np.array([chain]), np.array([m]), dt)
            return transform.pose_from(motion.R[0], motion.p[0])

        T_room_camera = at(structure.chain_of_body[structure.body_of_camera[c]]) @ state.T_body_camera[c]
        T_room_target = state.T_room_target[g] if structure.chain_of_target[g] == STATIC else at(structure.chain_of_target[g])
        p = transform.apply(transform.invert(T_room_camera) @ T_room_target, views.points[v])
        result[v] = np.where(views.seen[v][:, None], state.models[c].project(p) - views.pixels[v], 0.0)
    return result


def _most(models: Sequence[CameraModel]) -> int:
    return max(len(model.parameters) for model in models)


def _anywhere(random: np.random.Generator, far: float) -> FloatArray:
    return transform.pose_from(rotation.exp(random.normal(0, 1.5, 3)), random.normal(0, far, 3))


def _near(random: np.random.Generator, turned: float, went: float) -> FloatArray:
    return transform.pose_from(rotation.exp(random.uniform(-turned, turned, 3)), random.uniform(-went, went, 3))


Way = Callable[[FloatArray], FloatArray]
"""Times (...) to poses (..., 4, 4)."""


def _swaying(random: np.random.Generator, before: FloatArray, after: FloatArray, turned: float, went: float) -> Way:
    """Return a smooth motion of up to ``turned`` rad and ``went`` m between two poses."""
    rate, phase = 2 * np.pi * random.uniform(0.3, 0.8, 6), random.uniform(0, 2 * np.pi, 6)

    def pose(times: FloatArray) -> FloatArray:
        wave = np.sin(rate * np.asarray(times)[..., None] + phase)
        return before @ transform.pose_from(rotation.exp(turned * wave[..., :3]), went * wave[..., 3:]) @ after

    return pose


def _rates(way: Way, times: FloatArray, order: int) -> FloatArray:
    """Return the first order - 1 derivatives (M, order - 1, 6) of a motion, as a state has them."""
    h = 1e-3
    now, later, earlier = way(times), way(times + h), way(times - h)

    def from_now(then: FloatArray) -> FloatArray:
        turned = rotation.log(np.swapaxes(now[:, :3, :3], 1, 2) @ then[:, :3, :3])
        return np.concatenate([turned, then[:, :3, 3] - now[:, :3, 3]], axis=1)

    one, two = from_now(later), from_now(earlier)
    return np.stack([(one - two) / (2 * h), (one + two) / h**2][: order - 1], axis=1) if order > 1 else np.zeros((len(times), 0, 6))
