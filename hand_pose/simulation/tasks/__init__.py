"""Tasks of simulated recordings: each module writes one down as a performance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bodydouble.errors import UnknownNameError, UsageError
from bodydouble.hand_pose.simulation.body import Body
from bodydouble.hand_pose.simulation.performance import Performance
from bodydouble.hand_pose.simulation.tasks import carry_task, cloth_task, floor_task, lid_task, shelf_task, table_task, walk_task


@dataclass(frozen=True)
class _Task:
    help: str
    least_s: float
    write: Callable[[float, int, Body], Performance]


_TASKS = {
    "table": _Task("reach for things on a table, grasp, lift and place them", 2.0, table_task.write),
    "carry": _Task("carry a box with both hands from one table to another", 2.0, carry_task.write),
    "shelf": _Task("move things between the levels of a shelf, up to overhead", 2.5, shelf_task.write),
    "walk": _Task("walk round the room with swinging arms, now and then raising a hand", 2.0, walk_task.write),
    "lid": _Task("hold a jar in one hand, unscrew its lid with the other and put it down", 5.0, lid_task.write),
    "floor": _Task("squat, pick a box up from the floor and put it on a table", 2.5, floor_task.write),
    "cloth": _Task("wipe a table and fold a cloth: the motion of the hands alone", 2.0, cloth_task.write),
}
TASKS = {name: task.help for name, task in _TASKS.items()}
"""Task to one line about it."""


def make_performance(task: str, seconds: float, seed: int, body: Body) -> Performance:
    """Return what a person does at a task; the same for the same arguments.

    Raises: UnknownNameError for a task that is not in ``TASKS``; UsageError if it takes longer than ``seconds``.
    """
    if task not in _TASKS:
        raise UnknownNameError("task", task, "the simulation", TASKS)
    least = _TASKS[task].least_s
    if not seconds >= least:
        raise UsageError(
            f"The task '{task}' takes at least {least:g} s, but {seconds:g} s were asked for; pass --seconds {least:g} or more."
        )
    return _TASKS[task].write(seconds, seed, body)
