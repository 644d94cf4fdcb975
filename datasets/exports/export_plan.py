"""What an export will hold, decided from the files' headers before anything is written."""

from __future__ import annotations

import datetime
import hashlib
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bodydouble.datasets.consent import Consent
from bodydouble.datasets.episode_file import UNREADABLE, open_episode_file
from bodydouble.datasets.exports.export_settings import ExportSettings
from bodydouble.datasets.exports.samples import joint_rows
from bodydouble.datasets.quality import GRADES
from bodydouble.datasets.stored_groups import read_consent, read_gate
from bodydouble.errors import BodydoubleError, DataError, UnknownNameError, UsageError

SAME_RATE = 0.02
"""Rates that differ by no more than this share are one rate."""


@dataclass(frozen=True)
class EpisodeHeader:
    """What an episode file says about itself, without its arrays."""

    path: Path
    identity: str
    """SHA-256 over robot, stored motion, its times and its source: the same for the same episode under any file name."""
    source: str
    """The recording that it was made of, or that its parents were: train and validation sets must not share one."""
    task: str
    grade: str
    robot: str
    joint_names: tuple[str, ...]
    joint_groups: Mapping[str, tuple[str, ...]]
    cameras: Mapping[str, tuple[int, int]]
    """Camera with stored images to their (width, height) px."""
    frames: int
    rate_hz: float
    """By the median of its true intervals; NaN for a single frame."""
    observed_frames: int
    """Frames in which at least one joint was observed."""
    consent: Consent
    licence: str
    privacy: str
    quality: Mapping[str, float]


@dataclass(frozen=True)
class ExportPlan:
    """Which episodes go into an export and how; ``left_out`` is path to why not."""

    format: str
    settings: ExportSettings
    kept: tuple[EpisodeHeader, ...]
    left_out: Mapping[str, str]
    robot: str
    joint_names: tuple[str, ...]
    """Of the export: those chosen."""
    rate_hz: float
    cameras: Mapping[str, tuple[int, int]]
    """Camera to the (width, height) px of its exported images."""
    unconsented: Mapping[str, str]
    """Path to what its consent or licence lacks, of episodes that were kept all the same."""

    @property
    def frames(self) -> int:
        """Stored frames of all episodes that are kept."""
        return sum(header.frames for header in self.kept)


def read_header(path: Path) -> EpisodeHeader:
    """Read what ``EpisodeHeader`` holds. Raises: UsageError where there is no file; DataError where it is no whole episode."""
    with open_episode_file(path) as file:
        try:
            robot, recording, times = file["robot"].attrs, file["recording"], file["robot/times_s"][()]
            provenance = json.loads(file["provenance"].asstr()[()])
            images = file["images"] if "images" in file else file.get("videos", {})
            sizes = {name: _pair(data.attrs["image_size"]) for name, data in images.items() if "image_size" in data.attrs}
            said = recording.attrs
            digest = hashlib.sha256(file["robot/positions"][()].tobytes() + times.tobytes())
            digest.update(
                json.dumps(
                    [robot["robot"], provenance.get("videos"), provenance.get("recording"), provenance.get("parent_episode")]
                ).encode()
            )
            return EpisodeHeader(
                path=Path(path), identity=digest.hexdigest(), source=_source(provenance, said), task=str(file.attrs["task"]),
                grade=str(file.attrs["grade"]), robot=json.loads(robot["robot"]), joint_names=tuple(json.loads(robot["joint_names"])),
                joint_groups={name: tuple(joints) for name, joints in json.loads(robot["joint_groups"]).items()},
                cameras={name: sizes[name] for name in json.loads(said["cameras"]) if name in sizes},
                frames=len(times), rate_hz=float(1 / np.median(np.diff(times))) if len(times) > 1 else math.nan,
                observed_frames=int((file["robot/joint_source"][()] == 1).any(axis=1).sum()),
                consent=read_consent(recording), licence=json.loads(said["licence"]) if "licence" in said else "",
                privacy=json.loads(said["privacy"]) if "privacy" in said else "unknown",
                quality={name: read_gate(name, data).value for name, data in file["quality"].items()},
            )  # fmt: skip
        except UNREADABLE as error:
            raise DataError(
                f"{path} says it is an episode but cannot be read: {error}. Run `bodydouble validate` on it for what is wrong."
            ) from None


def _pair(size: Any) -> tuple[int, int]:
    width, height = size
    return int(width), int(height)


def _source(provenance: Mapping[str, object], recording: Mapping[str, str]) -> str:
    """The videos' hashes tell a recording better than its name; a variation names its ancestor's."""
    if provenance.get("source_recording"):
        return str(provenance["source_recording"])
    videos = provenance.get("videos")
    if isinstance(videos, dict) and videos:
        return hashlib.sha256(json.dumps(sorted(map(str, videos.values()))).encode()).hexdigest()[:16]
    return str(json.loads(recording["name"]) if "name" in recording else provenance.get("recording", ""))


def plan_export(
    format_name: str, paths: Sequence[Path], settings: ExportSettings, *, own_rate_hz: float | None = None, images: bool = True,
    today: datetime.date | None = None,
) -> ExportPlan:  # fmt: skip
    """Decide which episodes an export holds, from headers alone.

    ``own_rate_hz`` is the format's usual rate; None takes the episodes'. Without ``images`` the format has none. Files that cannot be read, grades, filters and
    missing consent leave an episode out, with the reason; robots, rates or cameras that do not go together are an error.

    Raises: UsageError; UnknownNameError for cameras or joints.
    """
    today = datetime.datetime.now(datetime.UTC).date() if today is None else today
    kept: list[EpisodeHeader] = []
    left_out: dict[str, str] = {}
    unconsented: dict[str, str] = {}
    for path in dict.fromkeys(paths):
        try:
            header = read_header(path)
        except UsageError:
            raise
        except BodydoubleError as error:
            left_out[str(path)] = str(error)
            continue
        lacking = consent_problem(header, today)
        reason = _why_not(header, settings) or ("" if settings.allow_unconsented else lacking)
        same = next((other for other in kept if other.identity == header.identity), None)
        if not reason and same is not None:
            reason = f"it is the same episode as {same.path}"
        if reason:
            left_out[str(path)] = reason
            continue
        kept.append(header)
        if lacking:
            unconsented[str(path)] = lacking
    if not kept:
        return ExportPlan(format_name, settings, (), left_out, "", (), settings.rate_hz or own_rate_hz or math.nan, {}, {})
    robot = _one_robot(kept)
    first = kept[0]
    rows = joint_rows(first.joint_names, dict(first.joint_groups), settings.joints, robot)
    return ExportPlan(
        format_name, settings, tuple(kept), left_out, robot, tuple(first.joint_names[row] for row in rows),
        settings.rate_hz or own_rate_hz or _one_rate(kept), _cameras(kept, settings) if images else {}, unconsented,
    )  # fmt: skip


def consent_problem(header: EpisodeHeader, today: datetime.date) -> str:
    """Return what keeps an episode from being handed out, "" where nothing does."""
    problem = header.consent.problem(today)
    if not header.licence:
        problem = f"{problem}, and no licence" if problem else "no licence is recorded"
    return problem


def _why_not(header: EpisodeHeader, settings: ExportSettings) -> str:
    if header.observed_frames == 0:
        return "no frame of it was observed"
    order = list(GRADES)
    if order.index(header.grade) > order.index(settings.min_grade):  # type: ignore[arg-type]
        return f"grade {header.grade} is below {settings.min_grade}"
    for chosen in settings.filters:
        if chosen.figure not in header.quality:
            return f"it has no figure {chosen.figure}"
        value = header.quality[chosen.figure]
        if not chosen.keeps(value):
            return f"{chosen.figure} is {value:.4g}; asked for {chosen}"
    return ""


def _one_robot(kept: Sequence[EpisodeHeader]) -> str:
    robots = Counter((header.robot, header.joint_names) for header in kept)
    if len(robots) > 1:
        counts = Counter(header.robot for header in kept)
        listed = ", ".join(f"'{name}' ({count} episodes)" for name, count in counts.most_common())
        more = "" if len(counts) > 1 else ", with other joints"
        raise UsageError(
            f"the episodes are of several robots: {listed}{more}. A trainer needs one: export the episodes of each robot by itself."
        )
    return kept[0].robot


def _one_rate(kept: Sequence[EpisodeHeader]) -> float:
    known = {str(header.path): header.rate_hz for header in kept if math.isfinite(header.rate_hz)}
    if not known:
        raise UsageError("the episodes have one frame each, so no rate is known; say one with --rate-hz.")
    slowest, fastest = min(known, key=lambda name: known[name]), max(known, key=lambda name: known[name])
    if known[fastest] > known[slowest] * (1 + SAME_RATE):
        raise UsageError(
            f"the episodes have several rates: {slowest} {known[slowest]:.4g} Hz, {fastest} {known[fastest]:.4g} Hz. Choose one for all with --rate-hz, "
            f"e.g. --rate-hz {round(known[slowest])}."
        )
    middle = float(np.median(list(known.values())))
    return float(round(middle)) if abs(middle - round(middle)) <= SAME_RATE * middle else round(middle, 3)


def _cameras(kept: Sequence[EpisodeHeader], settings: ExportSettings) -> dict[str, tuple[int, int]]:
    common = [name for name in kept[0].cameras if all(name in header.cameras for header in kept)]
    chosen = common if settings.cameras is None else list(settings.cameras)
    for name in chosen:
        if name not in common:
            raise UnknownNameError("camera", name, "the images of every episode", common)
    sizes = {}
    for name in chosen:
        width, height = settings.image_size or kept[0].cameras[name]
        others = {header.cameras[name] for header in kept}
        if settings.image_size is None and len(others) > 1:
            raise UsageError(
                f"the images of camera '{name}' have several sizes ({', '.join(f'{w}x{h}' for w, h in sorted(others))}); choose one with --image-size."
            )
        sizes[name] = (width, height)
    return sizes
