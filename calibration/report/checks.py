"""The checks of a calibration: each PASS, WARN or FAIL for a purpose, with a remedy that names the camera and says what to film next."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bodydouble.calibration.intrinsics import IntrinsicsCalibration
from bodydouble.calibration.report.summary import CameraSummary, ReportSummary, median, p95, rms, summarize
from bodydouble.calibration.report.text import listed, quantity
from bodydouble.calibration.report.thresholds import Threshold, thresholds
from bodydouble.calibration.rig_calibration import RigCalibration
from bodydouble.check import Check, Verdict

_NOTICEABLE_JITTER_S = 1e-3
_NOISE_MARGIN = 1.1
"""Errors up to so many times what corner noise alone gives are nothing but that: no other calibration would measure better."""
_RANK: dict[Verdict, int] = {"PASS": 0, "WARN": 1, "FAIL": 2}


@dataclass(frozen=True)
class Finding:
    """A value that a threshold judges, of some cameras or a target (``subjects``), with the words that its remedy needs."""

    check: str
    value: float
    subjects: tuple[str, ...] = ()
    shown: str = ""
    """In place of value and unit."""
    found: str = ""
    """In place of value, unit and limit."""
    words: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CalibrationCheck(Check):
    """A check of a calibration, with what a program and a table of checks need of it."""

    check: str = ""
    """Its key in ``thresholds.toml``."""
    title: str = ""
    subjects: tuple[str, ...] = ()
    """The cameras, or the target, that it speaks of; for PASS those with the worst value."""
    value: float = math.nan
    shown: str = ""
    """What was found, without the limit."""
    limit: str = ""
    """"passes at 0.5 mm or less"; "" where ``shown`` says all."""

    def as_dict(self) -> dict[str, Any]:
        """Return the fields ready for JSON, but for the texts that ``found`` repeats."""
        check = Check(self.name, self.verdict, self.found, self.remedy)
        return {**check.as_dict(), "check": self.check, "subjects": list(self.subjects), "value": self.value}


def calibration_checks(calibration: RigCalibration | IntrinsicsCalibration, purpose: str = "hands") -> list[CalibrationCheck]:
    """Hold a calibration against the thresholds of a purpose, "hands" or "body".

    What does not pass has a check of its own for each camera, pair or target; all others share one. Raises: UnknownNameError for a purpose
    that ``thresholds.toml`` does not have.
    """
    thresholds(purpose)
    return checks_of(summarize(calibration), purpose)


def checks_of(summary: ReportSummary, purpose: str) -> list[CalibrationCheck]:
    """Return the checks of what was computed for a report. Raises: UnknownNameError."""
    found: dict[str, list[Finding]] = {}
    for finding in findings(summary):
        found.setdefault(finding.check, []).append(finding)
    return [check for name, threshold in thresholds(purpose).items() for check in _judged(threshold, found.get(name, []), purpose)]


def worst(checks: Iterable[Check]) -> Verdict:
    """Return the worst verdict of the checks."""
    return max((check.verdict for check in checks), key=_RANK.__getitem__, default="PASS")


def _judged(threshold: Threshold, found: list[Finding], purpose: str) -> Iterator[CalibrationCheck]:
    passed = []
    for finding in found:
        verdict = threshold.verdict(finding.value, purpose)
        if verdict == "PASS":
            passed.append(finding)
            continue
        remedy = threshold.remedy.format_map(finding.words)
        if not math.isfinite(finding.value):
            remedy = f"It was not measured, so it is not known to be good. {remedy}"
        of = f" of {listed(finding.subjects)}" if finding.subjects else ""
        yield _check(f"{threshold.title}{of}", verdict, finding, threshold, purpose, remedy=remedy)
    if passed:
        low = threshold.better == "lower"
        last = (max if low else min)(passed, key=lambda finding: finding.value)
        others = "" if len(passed) == len(found) else "other "
        of = f" of {listed(last.subjects)}" if last.subjects else ""
        worst_of = f", the worst of the {others}{len(passed)}" if len(passed) > 1 else ""
        yield _check(threshold.title, "PASS", last, threshold, purpose, where=of + worst_of)


def _check(
    name: str, verdict: Verdict, finding: Finding, threshold: Threshold, purpose: str, *, where: str = "", remedy: str = ""
) -> CalibrationCheck:  # fmt: skip
    shown = finding.found or finding.shown or quantity(finding.value, threshold.unit)
    limit = "" if finding.found else threshold.limit_text(purpose)
    found = shown + where + (f" ({limit})" if limit else "")
    return CalibrationCheck(name, verdict, found, remedy, finding.check, threshold.title, finding.subjects, finding.value, shown, limit)


def findings(summary: ReportSummary) -> Iterator[Finding]:
    """Yield every value that there is something to say about; what does not apply is left out (links of one camera)."""
    if summary.converged is not None:
        yield Finding(
            "converged", float(summary.converged), found="the adjustment settled" if summary.converged else "stopped before it settled"
        )
    yield from _held_out(summary)
    yield from _links(summary)
    for camera in summary.cameras:
        yield from _camera(camera, summary)
    for target, size in summary.target_sizes.items():
        yield Finding("target_scale", abs(size - 1) * 100, (target,), f"{100 * (size - 1):+.2f} %", words={"target": target})
    yield from _clocks_of_bodies(summary)
    if summary.jitter_s > 0:
        yield Finding("clock_jitter", summary.jitter_s * 1000)
    if summary.frames:
        count, share = len(summary.rejected), 100 * len(summary.rejected) / summary.frames
        yield Finding("rejected_views", share, shown=f"{count} of {summary.frames} frames with a view, {share:.1f} %")


def _held_out(summary: ReportSummary) -> Iterator[Finding]:
    if summary.held_out is None:
        return
    errors = 1000 * summary.distance_error_m
    frames = summary.held_out.frames if len(errors) else 0
    text = "nothing was measured on moments that the solver did not see"
    how = "where two cameras see it at the same moment"
    if len(summary.cameras) == 1:
        how = "with a second camera as well (distances are measured by two)"
    yield Finding("held_out_frames", float(frames), found=text if not frames else "", words={"how": how})
    if frames:
        off = {camera.name: median(camera.held_out_px) for camera in summary.cameras if len(camera.held_out_px)}
        words = {"camera": max(off, key=off.__getitem__) if off else summary.cameras[0].name}
        floor = 1000 * np.abs(summary.noise_floor_m)
        for name, measure in (("median", median), ("rmse", rms), ("p95", p95)):
            value, noise = measure(np.abs(errors)), measure(floor)
            beyond = math.sqrt(max(value**2 - (_NOISE_MARGIN * noise) ** 2, 0.0)) if math.isfinite(noise) else value
            shown = f"{quantity(value, 'mm')}, of which {quantity(beyond, 'mm')} beyond corner noise" if beyond < 0.9 * value else ""
            yield Finding(f"held_out_{name}", beyond if shown else value, shown=shown, words=words)
        bodies = [camera.body for camera in summary.cameras]
        for camera in summary.cameras:
            if bodies.count(camera.body) > 1:
                words = {"camera": camera.name, "other": _best_partner(camera, summary)}
                yield Finding("held_out_corners", float(len(camera.held_out_px)), (camera.name,), words=words)


def _links(summary: ReportSummary) -> Iterator[Finding]:
    names = [camera.name for camera in summary.cameras]
    for name in summary.not_in_rig:
        text = f"'{name}' was filmed but could not be placed in the rig"
        yield Finding("separate_groups", 1.0, found=text, words={"camera": name, "other": names[0]})
    main: dict[str, tuple[int, ...]] = {}
    for group in sorted(summary.groups, key=len, reverse=True):
        body = summary.cameras[group[0]].body
        if body not in main:
            main[body] = group
            continue
        one, other = _nearest(summary, group, main[body])
        text = f"no chain of common views ties {listed(names[c] for c in group)} to {listed(names[c] for c in main[body])}"
        yield Finding("separate_groups", 1.0, found=text, words={"camera": names[one], "other": names[other]})
    if len(summary.cameras) > 1 and len(main) == len(summary.groups) and not summary.not_in_rig:
        yield Finding("separate_groups", 0.0, found="a chain of common views ties all cameras of each body")
    for link in summary.links:
        pair = (names[link.one], names[link.other])
        yield Finding("shared_moments", float(link.moments), pair, words=dict(zip(("camera", "other"), pair, strict=True)))


def _nearest(summary: ReportSummary, group: tuple[int, ...], others: tuple[int, ...]) -> tuple[int, int]:
    """Return the two cameras of two groups that stand nearest to each other: most likely they can see the same."""

    def distance(pair: tuple[int, int]) -> float:
        one, other = (summary.cameras[c].T_body_camera for c in pair)
        return 0.0 if one is None or other is None else float(np.linalg.norm(one[:3, 3] - other[:3, 3]))

    return min(((a, b) for a in group for b in others), key=distance)


def _camera(camera: CameraSummary, summary: ReportSummary) -> Iterator[Finding]:
    subject = (camera.name,)
    words = {"camera": camera.name, "other": _best_partner(camera, summary)}
    yield Finding("views", float(camera.views), subject, words=words)
    if camera.views == 0:
        return
    yield Finding("reprojection", median(camera.error_px), subject, words=words)
    if camera.lens_was_solved:
        thirds = camera.coverage.emptiest_thirds()
        words |= {"where": " and ".join(thirds) if thirds else "whole image", "lean": _lean(camera)}
        yield Finding("coverage", 100 * camera.coverage.share, subject, words=words)
        yield Finding("tilt_spread", math.degrees(math.hypot(*camera.tilt_rad)), subject, words=words)
        focal = camera.sigma.focal_px
        yield Finding("focal_sigma", math.nan if focal is None else 100 * focal / min(camera.model.focal), subject, words=words)
    if not camera.is_reference:
        position, rotation = camera.sigma.position_m, camera.sigma.rotation_rad
        yield Finding("position_sigma", math.nan if position is None else 1000 * position, subject, words=words)
        yield Finding("rotation_sigma", math.nan if rotation is None else math.degrees(rotation), subject, words=words)
    if camera.body not in untied_clocks(summary) and not camera.clock_is_held:
        offset, spread = 1000 * camera.time_offset_s, camera.sigma.time_offset_s
        words |= {"cause": _clock_cause(summary)}
        yield Finding("clock_offset", abs(offset), subject, f"{offset:+.2f} ms", words=words)
        yield Finding("clock_offset_sigma", math.nan if spread is None else 1000 * spread, subject, words=words)


def untied_clocks(summary: ReportSummary) -> dict[str, str]:
    """Return each body whose clocks nothing ties to those of another body, and that other body.

    A target that stands still looks the same at all times, so only bodies that are tied by targets in motion tell their clocks apart.
    """
    standing = np.asarray(np.isfinite(summary.T_room_target).all(axis=(-2, -1)))
    reference = next((camera.body for camera in summary.cameras if camera.clock_is_held), None)
    if not summary.clocks_were_solved or reference is None or len(standing) == 0 or not standing.all():
        return {}
    return {camera.body: reference for camera in summary.cameras if camera.body != reference}


def _clocks_of_bodies(summary: ReportSummary) -> Iterator[Finding]:
    for body, reference in untied_clocks(summary).items():
        yield Finding("body_clock", math.nan, (body,), found="not measured", words={"body": body, "other": reference})


def _clock_cause(summary: ReportSummary) -> str:
    """Return a sentence where the jitter of the stamps alone explains much of how unsure the clocks are; else ""."""
    spreads = [(camera.sigma.time_offset_s or 0.0, max(camera.views, 1)) for camera in summary.cameras]
    spread, views = max(spreads, default=(0.0, 1))
    if summary.jitter_s < _NOTICEABLE_JITTER_S or summary.jitter_s / math.sqrt(views) < 0.3 * spread:
        return ""
    jitter = quantity(1000 * summary.jitter_s, "ms")
    return f"Single frames are stamped {jitter} off, which is much of it: mend the stamps first (see clock jitter). "


def _best_partner(camera: CameraSummary, summary: ReportSummary) -> str:
    """Return the camera that a camera is or could be tied to best: the one of its body that it shares most moments with, else any other."""
    names = [item.name for item in summary.cameras]
    row = names.index(camera.name)
    others = [c for c in range(len(names)) if c != row and summary.cameras[c].body == camera.body]
    others = others or [c for c in range(len(names)) if c != row]
    return names[max(others, key=lambda c: int(summary.shared[row, c]))] if others else "another camera"


def _lean(camera: CameraSummary) -> str:
    """Return the way in which the board was tilted least."""
    sideways, upright = camera.tilt_rad
    if not (math.isfinite(sideways) and math.isfinite(upright)) or max(sideways, upright) < math.radians(5.0):
        return "turned to the left, to the right, up and down"
    return "turned to the left and to the right" if sideways < upright else "tilted up and down"
