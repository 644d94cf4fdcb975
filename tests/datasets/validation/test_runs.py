"""How long something lasts is told in true time."""

from __future__ import annotations

import numpy as np

from bodydouble.datasets.validation.runs import longest_hold, longest_run, runs

TIMES = np.array([0.0, 0.1, 0.2, 0.5, 0.6, 0.7])


def test_runs_are_told_from_their_first_to_their_last_frame():
    found = runs(np.array([1, 1, 0, 1, 1, 1], bool), TIMES)
    assert [(run.start, run.stop, round(run.seconds, 3)) for run in found] == [(0, 1, 0.1), (3, 5, 0.2)]


def test_the_longest_in_time_counts_not_that_of_most_frames():
    run = longest_run(np.array([0, 0, 1, 1, 0, 0], bool), TIMES)
    assert (run.start, run.stop) == (2, 3)
    assert str(run) == "for 0.30 s, frames 2 to 3"


def test_a_hold_begins_with_the_frame_that_is_repeated():
    run = longest_hold(np.array([0, 1, 1, 0, 0], bool), TIMES)
    assert (run.start, run.stop, run.seconds) == (1, 3, 0.4)


def test_nothing_lasts_no_time():
    assert longest_run(np.zeros(6, bool), TIMES).seconds == 0.0
    assert longest_hold(np.zeros(5, bool), TIMES).seconds == 0.0
