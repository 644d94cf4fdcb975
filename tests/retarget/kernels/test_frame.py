"""One frame: placements against Pinocchio; gradients and Jacobians of every kind of task, of gaps and of balance against finite differences."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pinocchio as pin
import pytest
from scipy.spatial.transform import Rotation

from bodydouble.retarget import Robot
from bodydouble.retarget.kernels.balance import carried
from bodydouble.retarget.kernels.collisions import collision_cost, near_pairs, pair_distances
from bodydouble.retarget.kernels.frame import Problem, linearise
from bodydouble.retarget.kernels.rotations import turned
from bodydouble.retarget.kernels.tasks import task_jacobian, task_residual
from bodydouble.retarget.kernels.tree import place, work_space
from bodydouble.retarget.mapping import TaskEntry
from bodydouble.retarget.problem import Layout

FloatArray = npt.NDArray[np.float64]
State = tuple[FloatArray, FloatArray, FloatArray]

TASKS = (
    TaskEntry(name="position", kind="position", robot="left_palm", weight=1),
    TaskEntry(name="orientation", kind="orientation", robot="right_foot", weight=1),
    TaskEntry(name="axis", kind="axis", robot="head", axis=(0.6, 0.0, 0.8), weight=1),
    TaskEntry(name="direction", kind="direction", origin="left_upper_arm", robot="left_forearm", weight=1),
    TaskEntry(name="relative_position", kind="relative_position", origin="left_palm", robot="left_index_tip", weight=1),
    TaskEntry(name="pinch", kind="relative_position", origin="left_palm", of="left_thumb_tip", robot="left_index_tip", weight=1),
    TaskEntry(name="between_hands", kind="relative_position", origin="left_palm", robot="right_palm", weight=1),
    TaskEntry(name="relative_direction", kind="relative_direction", origin="right_palm", of="right_index_proximal", robot="right_index_tip", weight=1),
    TaskEntry(name="relative_orientation", kind="relative_orientation", origin="left_palm", robot="right_palm", weight=1),
    TaskEntry(name="above", kind="above", robot="left_heel", weight=1),
)  # fmt: skip


@pytest.fixture(scope="module")
def layout(robot: Robot) -> Layout:
    return Layout(robot, TASKS)


def state(robot: Robot, seed: int) -> State:
    rng = np.random.default_rng(seed)
    return Rotation.random(rng=rng).as_matrix(), rng.normal(size=3), rng.uniform(robot.lower, robot.upper)


def moved(layout: Layout, at: State, variable: int, by: float) -> State:
    """Return a state moved along one variable, as the solver moves it."""
    R, p, q = (part.copy() for part in at)
    index = int(np.flatnonzero(layout.variable == variable)[0])
    if index < 3:
        p[index] += by
    elif index < 6:
        step = np.zeros(3)
        step[index - 3] = by
        turned(R.copy(), *step, R)
    else:
        q[index - 6] += by
    return R, p, q


def problem(layout: Layout, robot: Robot, vectors: FloatArray, rotations: FloatArray, *, edges: FloatArray | None = None) -> Problem:
    joints = len(robot.joint_names)
    return Problem(
        tree=layout.tree(), tasks=layout.tasks(TASKS), capsules=layout.capsules(), balance=layout.balance(), times=np.zeros(1),
        vectors=vectors[None], rotations=rotations[None], weights=np.linspace(1, 3, len(TASKS))[None],
        edges=np.full((1, 1, 3), np.nan) if edges is None else edges[None], rest=np.array(robot.rest), rest_weight=np.full((1, joints), 0.1),
        lower=np.array(robot.lower), upper=np.array(robot.upper), speed=np.array(robot.velocity_limit),
        wanted_speed=np.tile(robot.velocity_limit, (1, 1)), acceleration=np.array(robot.acceleration),
        unmet=np.full(len(TASKS), np.inf),
    )  # fmt: skip


def some_targets(seed: int) -> tuple[FloatArray, FloatArray]:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(len(TASKS), 3))
    vectors[-1, 2] = 3.0  # the heel is below the height that it should stay above
    return vectors, Rotation.random(len(TASKS), rng=rng).as_matrix()


@pytest.mark.parametrize("seed", range(4))
def test_frames_and_motions_are_pinocchios(layout: Layout, robot: Robot, seed: int) -> None:
    tree = layout.tree()
    R, p, q = state(robot, seed)
    placed = work_space(tree)
    place(tree, R, p, q, placed)
    data = robot.model.createData()
    configuration = robot.configuration(q, [*p, *Rotation.from_matrix(R).as_quat()])
    pin.computeJointJacobians(robot.model, data, configuration)
    pin.updateFramePlacements(robot.model, data)
    for row, name in enumerate(layout.frames):
        pose = data.oMf[robot.frame_id(name)]
        np.testing.assert_allclose(placed.frame_translation[row], pose.translation, atol=1e-12)
        np.testing.assert_allclose(placed.frame_rotation[row], pose.rotation, atol=1e-12)
    for n, joint in enumerate(robot.actuation.joint_names):
        column = data.J[:, robot.model.joints[robot.model.getJointId(joint)].idx_v]
        np.testing.assert_allclose(placed.linear[6 + n], column[:3], atol=1e-12)
        np.testing.assert_allclose(placed.angular[6 + n], column[3:], atol=1e-12)
    mass, moment = np.empty(len(tree.mass)), np.empty((len(tree.mass), 3))
    carried(tree, placed, mass, moment)
    np.testing.assert_allclose(moment[0] / mass[0], pin.centerOfMass(robot.model, data, configuration), atol=1e-9)


@pytest.mark.parametrize("k", range(len(TASKS)), ids=[task.name for task in TASKS])
def test_a_tasks_jacobian_is_its_finite_difference(layout: Layout, robot: Robot, k: int) -> None:
    tree, tasks = layout.tree(), layout.tasks(TASKS)
    vectors, rotations = some_targets(k)
    placed, residual = work_space(tree), np.empty(3)
    at = state(robot, 10 + k)

    def residual_at(where: State) -> FloatArray:
        place(tree, *where, placed)
        task_residual(tasks, k, placed, vectors[k], rotations[k], residual)
        return residual.copy()

    value = residual_at(at)
    columns = tasks.column_variable[tasks.column_start[k] : tasks.column_start[k + 1]]
    J = np.empty((len(columns), 3))
    task_jacobian(tasks, k, placed, value, J)
    assert np.abs(J).max() > 0.01
    h = 1e-6
    for variable in range(layout.part_start[-1]):
        change = (residual_at(moved(layout, at, variable, h)) - residual_at(moved(layout, at, variable, -h))) / (2 * h)
        own = J[list(columns).index(variable)] if variable in columns else np.zeros(3)
        np.testing.assert_allclose(own, change, atol=3e-7, err_msg=f"variable {variable}")


@pytest.mark.parametrize("seed", range(3))
def test_the_gradient_of_all_costs_is_their_finite_difference(layout: Layout, robot: Robot, seed: int) -> None:
    vectors, rotations = some_targets(seed)
    at = state(robot, seed)
    edges = np.array([[1.0, 0.0, at[1][0] - 0.3], [0.6, 0.8, 5.0]])  # one edge is crossed, the other far away
    made = problem(layout, robot, vectors, rotations, edges=edges)
    size = int(layout.part_start[-1])
    placed, residuals, H, g = work_space(made.tree), np.empty((len(TASKS), 3)), np.zeros((size, size)), np.zeros(size)

    def cost(where: State, derivatives: bool = False) -> float:
        place(made.tree, *where, placed)
        return linearise(made, 0, placed, where[2], derivatives, residuals, H, g)

    cost(at, True)
    gradient, h = g.copy(), 1e-7
    for variable in range(size):
        if variable not in {int(made.tree.variable[m]) for m in made.balance.motions}:
            continue  # fingers move the centre of mass by less than counts; they are checked task by task
        change = (cost(moved(layout, at, variable, h)) - cost(moved(layout, at, variable, -h))) / (2 * h)
        assert gradient[variable] == pytest.approx(change, rel=2e-4, abs=2e-3 * (1 + np.abs(gradient).max()) ** 0.5), variable
    assert np.linalg.eigvalsh(np.tril(H) + np.tril(H, -1).T).min() > 0


@pytest.mark.parametrize("seed", range(4))
def test_a_gaps_gradient_is_its_finite_difference(layout: Layout, robot: Robot, seed: int) -> None:
    tree, capsules = layout.tree(), layout.capsules()
    placed, size, room = work_space(tree), int(layout.part_start[-1]), 400
    at = state(robot, 20 + seed)

    def gaps_at(where: State) -> tuple[FloatArray, dict[int, float]]:
        place(tree, *where, placed)
        rows, gaps, which = np.empty((room, size)), np.empty(room), np.empty(room, dtype=np.int64)
        count = near_pairs(tree, capsules, placed, rows, gaps, which)
        return rows[:count], dict(zip(which[:count].tolist(), gaps[:count].tolist(), strict=True))

    rows, gaps = gaps_at(at)
    assert len(gaps) > 5
    h, checked = 1e-6, 0
    for variable in range(size):
        ahead, behind = gaps_at(moved(layout, at, variable, h))[1], gaps_at(moved(layout, at, variable, -h))[1]
        for row, pair in zip(rows, gaps, strict=True):
            one_sided = (
                [(ahead[pair] - gaps[pair]) / h, (gaps[pair] - behind[pair]) / h] if pair in ahead and pair in behind else [0.0, 1.0]
            )
            if abs(one_sided[0] - one_sided[1]) < 1e-4:  # away from where another end becomes the nearest
                assert row[variable] == pytest.approx(sum(one_sided) / 2, abs=1e-4)
                checked += 1
    assert checked > 100
    place(tree, *at, placed)
    distances = np.empty(len(capsules.pairs))
    pair_distances(capsules, placed, distances)
    inside = np.maximum(0.0, capsules.margin - distances)
    assert collision_cost(capsules, placed) == pytest.approx(0.5 * np.sum((capsules.weight * inside) ** 2))


def test_parts_that_no_task_couples_are_apart(robot: Robot) -> None:
    layout = Layout(robot, robot.file.tasks)
    assert np.diff(layout.part_start).tolist() == [22, 22, 40]
    names = ["base"] * 6 + list(robot.joint_names)
    for start, stop in zip(layout.part_start[:2], layout.part_start[1:3], strict=True):
        sides = {names[int(np.flatnonzero(layout.variable == v)[0])].partition("_")[0] for v in range(start, stop)}
        assert len(sides) == 1
