"""Validation of an episode file: the schema, what must be true of the numbers in it, and what the motion in it shows to be wrong."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from bodydouble.check import Check
from bodydouble.datasets.episode_file import UNREADABLE, open_episode_file
from bodydouble.datasets.validation.agreement_rules import actions, poses, reprojection, tree
from bodydouble.datasets.validation.checksum_rule import checksums
from bodydouble.datasets.validation.frozen_rule import frozen_cameras
from bodydouble.datasets.validation.grade_rule import quality
from bodydouble.datasets.validation.held_rules import held_samples
from bodydouble.datasets.validation.image_rules import images
from bodydouble.datasets.validation.limits import AGAIN
from bodydouble.datasets.validation.opened_episode import OpenedEpisode
from bodydouble.datasets.validation.schema_rule import schema
from bodydouble.datasets.validation.shift_rules import time_shifts
from bodydouble.datasets.validation.swap_rules import swapped_hands
from bodydouble.datasets.validation.time_rule import times
from bodydouble.datasets.validation.unit_rules import lengths, units
from bodydouble.datasets.validation.value_rules import descriptions, limits_of_joints, masks, missing_values, names, quaternions
from bodydouble.errors import DataError, UsageError

Rule = Callable[[OpenedEpisode], Iterator[Check]]

NUMBERS: tuple[Rule, ...] = (
    times, missing_values, masks, quaternions, units, lengths, limits_of_joints, names, descriptions, checksums, images, quality,
)  # fmt: skip
"""What must be true of any episode."""
AGREEMENT: tuple[Rule, ...] = (actions, poses, tree, reprojection)
"""Whether what is worked out from something else still belongs to it."""
MOTION: tuple[Rule, ...] = (held_samples, frozen_cameras, swapped_hands, time_shifts)
"""What only the motion shows. They need times that grow."""


def validate_episode(path: Path) -> list[Check]:
    """Check one episode file; never raises for what is in the file, only for there being none.

    Raises: UsageError if there is no such file.
    """
    path = Path(path)
    try:
        with open_episode_file(path) as file:
            episode = OpenedEpisode(file, path)
            checks = [Check("file", "PASS", f"whole, schema version {file.attrs['schema_version']}"), *_run(schema, episode)]
            if any(check.verdict == "FAIL" for check in checks):
                return checks
            for rule in (*NUMBERS, *AGREEMENT):
                checks += _run(rule, episode)
            if episode.frames and episode.advances:
                for rule in MOTION:
                    checks += _run(rule, episode)
            else:
                checks.append(Check("motion", "WARN", "not judged: it needs times that grow", "Mend the times first, then validate again."))
            return checks
    except UsageError:
        raise
    except DataError as error:
        found, _, remedy = str(error).rpartition(". ")
        return [Check("file", "FAIL", found, remedy)]


def _run(rule: Rule, episode: OpenedEpisode) -> list[Check]:
    try:
        # Missing values are NaN: sums and means over nothing but them are expected.
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            return list(rule(episode))
    except UNREADABLE as error:
        return [Check(rule.__name__.replace("_", " "), "FAIL", f"could not be read: {error}", AGAIN)]
