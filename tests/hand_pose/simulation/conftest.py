"""Fixtures of the simulated person."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from bodydouble.hand_pose.simulation.body import Body


@pytest.fixture(scope="session")
def person() -> Body:
    """Give the simulated person of seed 1; skip without the extra "simulate". The first time on a machine takes two minutes."""
    if find_spec("anny") is None or find_spec("torch") is None:
        pytest.skip("anny and torch (the extra 'simulate') are not installed")
    from bodydouble.hand_pose.simulation.person import make_person

    return make_person(1)
