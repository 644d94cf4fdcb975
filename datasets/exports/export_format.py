"""What every export format provides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from bodydouble.datasets.episode import Episode
from bodydouble.datasets.exports.export_plan import EpisodeHeader, ExportPlan
from bodydouble.datasets.exports.samples import Samples
from bodydouble.progress import Progress, silent

TRAINER_SETTINGS = ("joints", "state", "action", "frame", "cameras", "image_size", "rate_hz")
"""Settings that a format for trainers heeds; those with videos also "codec"."""

Entry = dict[str, Any]
"""One episode's line in the index: "identity", "source", "task", "grade", "frames", "licence", ..., and "stored", what the format needs to find it again."""


class Writer(Protocol):
    """Fills one new export, episode after episode.

    The same episodes in the same order give the same bytes, whether they were added or adopted.
    """

    def add(self, episode: Episode, samples: Samples, header: EpisodeHeader, progress: Progress = silent) -> Mapping[str, Any]:
        """Write one episode and return what to keep as "stored" in its entry (JSON). ``progress`` counts samples."""
        ...

    def adopt(self, export: Path, entry: Entry) -> Mapping[str, Any]:
        """Copy one episode of another export of the same format and features without decoding its images; return its new "stored"."""
        ...

    def finish(self, index: dict[str, Any]) -> None:
        """Write what covers all episodes (statistics, tables). ``index`` is what will be written last; a format of one file keeps it inside."""
        ...


@dataclass(frozen=True)
class ExportFormat:
    """One format of ``bodydouble export``."""

    name: str
    description: str
    writer: Callable[[Path, ExportPlan], Writer]
    """Called with the empty ``OUT.partial`` and the plan. For delete and merge the plan has no ``kept`` episodes, but robot, joints, rate and cameras."""
    verify: Callable[[Path, dict[str, Any]], None]
    """Read the finished export back and compare it with the index. Raises: DataError."""
    folder: bool = True
    """False: one file."""
    suffix: str = ""
    """That such a file usually has, e.g. ".hdf5"."""
    own_rate_hz: float | None = None
    """Where nobody chooses; None: the episodes' rate."""
    images: bool = True
    """Whether it can hold images at all."""
    takes: tuple[str, ...] = TRAINER_SETTINGS
    """Settings that it heeds; another one that is set is an error."""
