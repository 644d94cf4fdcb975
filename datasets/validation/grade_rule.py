"""Stored verdicts and grade are those that the stored figures deserve, and the counts are those of the stored motion."""

from __future__ import annotations

import json
from collections.abc import Iterator

from bodydouble.check import Check
from bodydouble.datasets.quality import grade as deserved_grade
from bodydouble.datasets.quality import judge
from bodydouble.datasets.stored_groups import read_gate
from bodydouble.datasets.validation.limits import AGAIN
from bodydouble.datasets.validation.opened_episode import OpenedEpisode
from bodydouble.retarget.limits import limit_violations


def quality(episode: OpenedEpisode) -> Iterator[Check]:
    """Check figures, verdicts and grade."""
    file = episode.file
    stored = {name: read_gate(name, data) for name, data in file["quality"].items()}
    judged = judge({name: gate.value for name, gate in stored.items()})
    wrong = [name for name, gate in judged.items() if name not in stored or stored[name].verdict != gate.verdict]
    for name in wrong:
        found = f"{name} is {stored[name].verdict if name in stored else 'absent'}; by quality.toml it is {judged[name].verdict}"
        yield Check("quality", "FAIL", found, "Process again: the limits have changed, or the file was edited.")
    for name, count in _recount(episode).items():
        if name in stored and stored[name].value != count:
            yield Check("quality", "FAIL", f"{name} says {stored[name].value:g}; the stored motion has {count}", AGAIN)
    assumed = [*json.loads(file["human"].attrs.get("assumed", "{}")), *episode.rig.assumed]
    deserved = deserved_grade(judged, assumed=assumed)
    if file.attrs["grade"] != deserved:
        yield Check("grade", "FAIL", f"graded {file.attrs['grade']}; the stored figures deserve {deserved}", AGAIN)
    elif deserved == "D":
        # the file is what it says it is; that it says D is for its reader to act on
        failed = [gate for gate in judged.values() if gate.verdict == "FAIL"]
        yield Check("grade", "WARN", f"grade D: {', '.join(gate.name for gate in failed)}", " ".join(gate.remedy for gate in failed))
    else:
        warned = [gate for gate in judged.values() if gate.verdict == "WARN"]
        yield Check("grade", "PASS", f"grade {deserved}" + (f"; warnings: {', '.join(g.name for g in warned)}" if warned else ""))


def _recount(episode: OpenedEpisode) -> dict[str, int]:
    counts = limit_violations(episode.robot)
    named = {
        "joint_limit_violations": counts.range,
        "velocity_limit_violations": counts.velocity,
        "acceleration_limit_violations": counts.acceleration,
    }
    return {name: count for name, count in named.items() if count is not None}
