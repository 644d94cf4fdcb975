"""What is missing when cameras or targets could not be put together, in words that say what to film."""

from __future__ import annotations

import numpy as np

from bodydouble.calibration.bundle.state import STATIC, Structure
from bodydouble.calibration.observations import Observations
from bodydouble.calibration.pose_graph import PoseGraph
from bodydouble.errors import DataError


class NotConnectedError(DataError):
    """Cameras that nothing ties to the others. Attributes: ``placed``, ``missing`` (names of cameras)."""

    def __init__(self, message: str, placed: tuple[str, ...] = (), missing: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.placed, self.missing = placed, missing


def check_all_saw(observations: Observations) -> None:
    """Raise NotConnectedError naming the cameras in whose images no board or tag was found."""
    blind = tuple(name for c, name in enumerate(observations.cameras) if not observations.seen[c].any())
    if not blind:
        return
    they, them = ("they", "them") if len(blind) > 1 else ("it", "it")
    raise NotConnectedError(
        f"No board or tag was found in the images of {_listed(blind)}, so {they} cannot be placed. Film the board where {_listed(blind)} and another "
        f"camera see it at the same time, or leave {them} out with --cameras.",
        tuple(name for name in observations.cameras if name not in blind), blind,
    )  # fmt: skip


def check_connected(graph: PoseGraph, structure: Structure, observations: Observations) -> None:
    """Raise NotConnectedError naming each camera that was not placed, what it saw, and what would tie it to the others."""
    names = observations.cameras
    placed = tuple(name for name, there in zip(names, graph.placed_cameras, strict=True) if there)
    missing = tuple(name for name, there in zip(names, graph.placed_cameras, strict=True) if not there)
    if not missing:
        return
    check_all_saw(observations)
    shared = observations.shared_moments()
    moving = bool((structure.chain_of_target != STATIC).any())
    sentences = []
    for name in missing:
        c = names.index(name)
        if moving and placed:
            partner = max(placed, key=lambda other, c=c: int(shared[c, names.index(other)]))  # type: ignore[misc]
            count = int(shared[c, names.index(partner)])
            sentences.append(
                f"'{name}' saw the board {_times(int(shared[c, c]))}, {_times(count)} at the same time as '{partner}': film it where both see it"
            )
        else:
            own = [
                g
                for g in range(len(observations.targets.names))
                if observations.seen[c][:, observations.targets.target_of_point == g].any()
            ]
            known = [g for g in np.flatnonzero(graph.placed_targets)]
            ones = ", ".join(observations.targets.names[g] for g in own[:4])
            others = ", ".join(observations.targets.names[g] for g in known[:4]) or "none"
            sentences.append(
                f"'{name}' saw {ones}{' and others' if len(own) > 4 else ''}, which no image ties to those already placed ({others}): move so that one camera "
                "sees tags of both groups in one image, or hang a tag between them"
            )
    group = f"{_listed(placed)} are tied together" if placed else "no camera could be placed"
    raise NotConnectedError(f"The cameras are not connected: {group}, but " + "; ".join(sentences) + ".", placed, missing)


def _listed(names: list[str] | tuple[str, ...]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _times(count: int) -> str:
    return {0: "never", 1: "once"}.get(count, f"{count} times")
