"""What MOTION on the command line can be: an episode, a saved motion, or a motion-capture file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bodydouble.hand_pose import HumanMotion


@dataclass(frozen=True)
class MotionInput:
    """A person's motion, and where it is from."""

    motion: HumanMotion
    name: str
    """The recording's, or the file's."""
    kind: str
    """"episode", or the format of the file."""
    notes: tuple[str, ...] = ()
    """What was assumed, in sentences."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """What an episode knows of its own making."""


def open_motion(
    path: Path, *, rate_hz: float | None = None, names: Path | None = None, asf: Path | None = None, markers: Path | None = None
) -> MotionInput:
    """Read MOTION; the options say what a motion-capture file does not say itself.

    Raises: UsageError for a file that is not there or is no motion, and for options that it has no use for; DataError for one that cannot be read.
    """
    from bodydouble.errors import UsageError
    from bodydouble.retarget.trajectory_file import FORMAT as TRAJECTORY
    from bodydouble.retarget.trajectory_file import check_whole_hdf5, hdf5_format

    options = {"--rate-hz": rate_hz, "--names": names, "--asf": asf, "--markers": markers}
    if not path.exists():
        raise UsageError(f"{path} does not exist; an episode, a saved motion, or a BVH, AMC, TSV or npy file was expected.")
    if path.is_dir():
        raise UsageError(
            f"{path} is a folder; a motion was expected. Make an episode of a recording with `bodydouble process {path} -o episode.h5`."
        )
    for option, value in options.items():
        if isinstance(value, Path) and not value.is_file():
            raise UsageError(f"{option} {value} does not exist.")
    if rate_hz is not None and not 0 < rate_hz < float("inf"):
        raise UsageError(f"--rate-hz {rate_hz:g} is no rate; give frames a second above 0, e.g. --rate-hz 120.")
    stored = path.suffix.lower() in (".h5", ".hdf5")
    if stored:
        check_whole_hdf5(path)
    kind = hdf5_format(path) if stored else ""
    if kind == TRAJECTORY:
        raise UsageError(f"{path} is a robot's trajectory, made by `bodydouble retarget`; give the person's motion that it was made from.")
    if kind:
        unused = [option for option, value in options.items() if value is not None]
        if unused:
            raise UsageError(f"{', '.join(unused)}: {path} is an episode, which says all that itself; leave the option out.")
        return _episode(path)
    from bodydouble.retarget.motions import read_motion
    from bodydouble.retarget.motions.saved_motion import check_saved_motion

    read = read_motion(path, rate_hz=rate_hz, names=names, asf=asf, markers=markers)
    check_saved_motion(str(path), read.motion)
    return MotionInput(read.motion, path.name, read.kind, tuple(read.notes))


def _episode(path: Path) -> MotionInput:
    from bodydouble.datasets import read_episode
    from bodydouble.retarget.motions.saved_motion import check_saved_motion

    episode = read_episode(path)
    check_saved_motion(str(path), episode.motion)
    return MotionInput(episode.motion, episode.recording.name or path.name, "episode", (), episode.provenance)
