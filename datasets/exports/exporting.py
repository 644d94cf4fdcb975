"""Making, merging and thinning exports, whatever the format."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bodydouble
from bodydouble.datasets.episode_file import read_episode
from bodydouble.datasets.exports.building import building_export, check_export_may_be_made, finish_replacing, read_index, write_index
from bodydouble.datasets.exports.export_format import TRAINER_SETTINGS, Entry, ExportFormat, Writer
from bodydouble.datasets.exports.export_plan import EpisodeHeader, ExportPlan
from bodydouble.datasets.exports.export_settings import ExportSettings, QualityFilter
from bodydouble.datasets.exports.formats import export_format
from bodydouble.datasets.exports.samples import take_samples
from bodydouble.errors import DataError, UsageError
from bodydouble.progress import Progress, silent

SHARED = ("format", "robot", "joint_names", "rate_hz", "cameras", "settings")
"""What two exports must have in common to be merged."""


def check_settings(chosen: ExportFormat, settings: ExportSettings) -> None:
    """Raise UsageError where a setting was chosen that the format cannot heed."""
    plain = ExportSettings()
    for name in (*TRAINER_SETTINGS, "codec"):
        if getattr(settings, name) != getattr(plain, name) and name not in chosen.takes:
            option = name.replace("_", "-")
            raise UsageError(f"the format '{chosen.name}' has no use for --{option}; leave it out, or choose another format.")


def export(plan: ExportPlan, out: Path, *, force: bool = False, progress: Progress = silent) -> dict[str, Any]:
    """Write the export that ``plan`` decided on and return its index. ``progress`` counts stored frames.

    Built beside ``out``, verified by reading it again, and renamed at the end: a crash leaves the old one or the new one.
    Raises: DataError for an empty plan or an episode that cannot be exported; FileExistsUsageError; OutOfSpaceError; as the format does.
    """
    chosen = export_format(plan.format)
    inputs = [header.path for header in plan.kept] + [Path(path) for path in plan.left_out]
    check_export_may_be_made(Path(out), folder=chosen.folder, force=force, inputs=inputs)
    if not plan.kept:
        reasons = "; ".join(f"{path}: {reason}" for path, reason in list(plan.left_out.items())[:5])
        raise DataError(f"no episode is left to export. {reasons or 'None was given'}.{_hint(plan)}")
    with building_export(Path(out), folder=chosen.folder, force=force, inputs=inputs) as partial:
        writer = chosen.writer(partial, plan)
        entries: list[Entry] = []
        done = 0
        for header in plan.kept:
            entries.append(_added(writer, plan, header, _part(progress, done, header.frames, plan.frames)))
            done += header.frames
            progress(done, plan.frames)
        return _finish(chosen, writer, partial, _index(plan, entries))


def _part(progress: Progress, start: int, frames: int, total: int) -> Progress:
    """Return the progress of one episode's samples as that of all stored frames."""
    return lambda done, count: progress(start + frames * done / max(count, 1), total)


def _hint(plan: ExportPlan) -> str:
    lacking = any("consent" in reason or "licence" in reason for reason in plan.left_out.values())
    return " Record consent and licence in recording.toml and process again, or pass --allow-unconsented." if lacking else ""


def _added(writer: Writer, plan: ExportPlan, header: EpisodeHeader, progress: Progress) -> Entry:
    episode = read_episode(header.path)
    try:
        samples = take_samples(episode, plan.settings, plan.rate_hz, tuple(plan.cameras))
        stored = writer.add(episode, samples, header, progress)
    except DataError as error:
        raise DataError(f"{header.path}: {error}") from None
    finally:
        if episode.images is not None:
            episode.images.close()
    return {
        "identity": header.identity, "file": _as_text(header.path.name), "source": header.source, "task": header.task, "grade": header.grade,
        "samples": samples.count, "observed_pct": round(100 * float((samples.state.source == 1).mean()), 3),
        "licence": header.licence, "privacy": header.privacy, "consent": dataclasses.asdict(header.consent),
        "unconsented": plan.unconsented.get(str(header.path), ""), "provenance": dict(episode.provenance),
        "quality": {name: gate.as_dict() for name, gate in episode.quality.items()}, "stored": dict(stored),
    }  # fmt: skip


def _as_text(name: str) -> str:
    """Return a file name as Unicode: one whose bytes are none, as any on Linux may be, with these escaped."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _index(plan: ExportPlan, entries: list[Entry]) -> dict[str, Any]:
    settings = dataclasses.asdict(plan.settings) | {"filters": [str(item) for item in plan.settings.filters]}
    return {
        "format": plan.format, "bodydouble": bodydouble.__version__, "robot": plan.robot, "joint_names": list(plan.joint_names),
        "rate_hz": plan.rate_hz, "cameras": {name: list(size) for name, size in plan.cameras.items()}, "settings": settings,
        "episodes": entries,
    }  # fmt: skip


def _finish(chosen: ExportFormat, writer: Writer, partial: Path, index: dict[str, Any]) -> dict[str, Any]:
    writer.finish(index)
    chosen.verify(partial, index)
    if chosen.folder:
        write_index(partial, index)
    return index


def merge_exports(exports: Sequence[Path], out: Path, *, force: bool = False, progress: Progress = silent) -> dict[str, Any]:
    """Write one export of the episodes of several, in their order, and return its index: the same bytes as exporting all at once.

    An episode that is in two of them is taken once. Raises: UsageError where they do not go together; as ``export``.
    """
    indexes = [(Path(path), read_index(Path(path))) for path in exports]
    if len(indexes) < 2:
        raise UsageError(f"{len(indexes)} export was given; two or more are merged.")
    first_path, first = indexes[0]
    for path, index in indexes[1:]:
        for name in SHARED:
            if index.get(name) != first.get(name):
                raise UsageError(
                    f"{path} and {first_path} cannot be merged: their {name} differ ({index.get(name)} and {first.get(name)})."
                )
    check_export_may_be_made(Path(out), folder=export_format(first["format"]).folder, force=force, inputs=[path for path, _ in indexes])
    parts = [(path, entry) for path, index in indexes for entry in index["episodes"]]
    once = {entry["identity"]: (path, entry) for path, entry in reversed(parts)}
    kept = [once[identity] for identity in dict.fromkeys(entry["identity"] for _, entry in parts)]
    return _assembled(first, kept, Path(out), force, progress)


def delete_episodes(export_path: Path, episodes: Sequence[str], *, progress: Progress = silent) -> dict[str, Any]:
    """Write the export again without some episodes, named by file name, number or identity, and return its index. Nothing of them stays.

    Raises: UsageError for one that is not there, or if none would be left.
    """
    export_path = Path(export_path)
    finish_replacing(export_path)
    index = read_index(export_path)
    gone = {_number_of(index, name, export_path) for name in episodes}
    kept = [(export_path, entry) for number, entry in enumerate(index["episodes"]) if number not in gone]
    if not kept:
        raise UsageError(
            f"that would leave no episode in {export_path}; delete the {'folder' if export_path.is_dir() else 'file'} itself instead."
        )
    return _assembled(index, kept, export_path, True, progress)


def _number_of(index: dict[str, Any], name: str, export_path: Path) -> int:
    entries = index["episodes"]
    found = [number for number, entry in enumerate(entries) if name in (entry["identity"], entry["file"], str(number))]
    if len(found) != 1:
        listed = ", ".join(f"{number} ({entry['file']})" for number, entry in enumerate(entries[:8]))
        raise UsageError(
            f"'{name}' names {len(found) or 'no'} episode{'s' if len(found) > 1 else ''} of {export_path}; use the number: {listed}"
            f"{', ...' if len(entries) > 8 else ''}."
        )
    return found[0]


def _assembled(index: dict[str, Any], kept: Sequence[tuple[Path, Entry]], out: Path, force: bool, progress: Progress) -> dict[str, Any]:
    chosen = export_format(index["format"])
    try:
        plan = plan_of(index)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"the index of {kept[0][0]} is damaged ({error!r}); make the export again.") from None
    with building_export(out, folder=chosen.folder, force=force) as partial:
        writer = chosen.writer(partial, plan)
        entries = []
        for done, (path, entry) in enumerate(kept, 1):
            try:
                stored = dict(writer.adopt(path, entry))
            except (KeyError, TypeError, ValueError) as error:
                raise DataError(
                    f"{path}: its index and its files do not go together ({error!r} of {entry['file']}); make the export again."
                ) from None
            entries.append({**entry, "stored": stored})
            progress(done, len(kept))
        return _finish(chosen, writer, partial, {**index, "episodes": entries})


def plan_of(index: dict[str, Any]) -> ExportPlan:
    """Return the plan of an export that exists, without its episodes."""
    said = dict(index["settings"])
    filters = tuple(_filter(text) for text in said.pop("filters"))
    listed: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in said.items()}
    settings = ExportSettings(**listed, filters=filters)
    return ExportPlan(
        index["format"], settings, (), {}, index["robot"], tuple(index["joint_names"]), float(index["rate_hz"]),
        {name: (int(size[0]), int(size[1])) for name, size in index["cameras"].items()}, {},
    )  # fmt: skip


def _filter(text: str) -> QualityFilter:
    name, sign, limit = text.partition("<=") if "<=" in text else text.partition(">=")
    return QualityFilter(name, sign == "<=", float(limit))
