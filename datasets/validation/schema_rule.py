"""Paths, types and shapes against the one table, with every axis of one length everywhere."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from bodydouble.check import Check
from bodydouble.datasets.schema import Field
from bodydouble.datasets.validation.limits import AGAIN
from bodydouble.datasets.validation.opened_episode import OpenedEpisode

GROUPS = ("robot", "human", "landmarks", "recording", "poses", "cameras", "segments")
"""Groups whose every dataset is in the table."""


def schema(episode: OpenedEpisode) -> Iterator[Check]:
    """Check the layout of the file; nothing else can be checked where it is wrong."""
    file = episode.file
    try:
        axes = _axes(file)
    except (KeyError, ValueError, TypeError) as error:
        yield Check("schema", "FAIL", f"joint, link or camera names or the times are missing: {error}", AGAIN)
        return
    wrong = [problem for field in episode.fields for problem in _field_problems(episode, field, axes)]
    wrong += [f"{name} is missing" for name in ("rig", "provenance", "quality") if name not in file]
    wrong += [f"attribute {name} is missing" for name in ("task", "grade") if name not in file.attrs]
    for problem in wrong:
        yield Check("schema", "FAIL", problem, AGAIN)
    unknown = sorted(set(_dataset_paths(file)) - {path for field in episode.fields for path in episode.paths(field)})
    if unknown:
        yield Check("schema", "WARN", f"unknown datasets: {', '.join(unknown[:5])}", "They are ignored; remove them or update bodydouble.")
    if not wrong and not unknown:
        yield Check("schema", "PASS", f"{len(episode.fields)} kinds of datasets, {axes['T']} frames")


def _axes(file: Any) -> dict[str, int]:
    return {
        "T": len(file["robot/times_s"]),
        "C": len(json.loads(file["recording"].attrs["cameras"])),
        "J": len(json.loads(file["robot"].attrs["joint_names"])),
        "H": len(json.loads(file["human"].attrs["joint_names"])),
        "L": len(json.loads(file["human"].attrs["link_names"])),
        "S": len(json.loads(file["segments"].attrs["text"])) if "segments" in file else 0,
    }


def _dataset_paths(file: Any) -> list[str]:
    found: list[str] = []
    for group in GROUPS:
        if group in file:
            file[group].visititems(lambda name, item, group=group: found.append(f"{group}/{name}") if hasattr(item, "dtype") else None)
    # visititems names a dataset with two names once, so the shared times need no place in the table twice
    return found


def _field_problems(episode: OpenedEpisode, field: Field, axes: Mapping[str, int]) -> Iterator[str]:
    expected = tuple(axes[axis] if isinstance(axis, str) else axis for axis in field.shape)
    for path in episode.paths(field):
        if path not in episode.file:
            if not field.optional:
                yield f"{path} is missing"
            continue
        data = episode.file[path]
        if not hasattr(data, "dtype"):
            yield f"{path} is a group; expected a dataset"
            continue
        if str(data.dtype) != field.dtype:
            yield f"{path} is {data.dtype}; expected {field.dtype}"
        if data.shape != expected:
            yield f"{path} has shape {data.shape}; expected {expected} ({', '.join(map(str, field.shape))})"
        if data.attrs.get("quaternion_order", "") != field.quaternion_order:
            yield f"{path} must say quaternion_order '{field.quaternion_order}'"
