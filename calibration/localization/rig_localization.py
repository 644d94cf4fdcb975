"""Locate the moving bodies of a rig in a room: the pose of each at every moment, from all its cameras and a tag map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from bodydouble.calibration.in_step import in_step
from bodydouble.calibration.localization.body_localization import Located, locate_body
from bodydouble.calibration.localization.moved_targets import (
    distance_moved,
    judge_views,
    moved_since,
    still_in_place,
    wrong_cameras,
    wrong_views,
)
from bodydouble.calibration.localization.rig_motion import BodyMotion, Outcome, RigMotion
from bodydouble.calibration.localization.sightings import Sightings, sightings_of
from bodydouble.calibration.localization.systematic_errors import systematic_covariance
from bodydouble.calibration.localization.tag_map import TagMap
from bodydouble.calibration.matching import check_image_size
from bodydouble.calibration.observations import Observations
from bodydouble.calibration.report.text import counted
from bodydouble.calibration.rig import Rig
from bodydouble.errors import DataError, UsageError
from bodydouble.progress import Progress, silent

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_ROUNDS = 4
"""How often targets that moved are looked for, each time without those that were found before."""
_FEWEST_CONTRADICTIONS = 5
_KNOCKED = "it sees most tags where its body's other cameras do not: not used; `bodydouble calibrate check` tells whether it has moved since the calibration"
_SMALL_M = 0.005


@dataclass(frozen=True)
class LocationSettings:
    """What a person may choose about locating a rig."""

    most_sigma_rad: float = 0.05
    """A pose that is known worse than that (one standard deviation, root mean square over the axes) counts as UNCERTAIN: a single small tag far off."""
    most_sigma_m: float = 0.05
    map_sigma: bool = True
    """Whether the covariance counts the uncertainty of the tag map, where it says one."""
    rig_sigma: bool = True
    """Whether the covariance counts the uncertainty of the rig's mounts and clocks, where it says one."""


@threadpool_limits.wrap(limits=1, user_api="blas")  # type: ignore[untyped-decorator] # its matrices are too small to share out
def locate(
    rig: Rig, tag_map: TagMap, observations: Observations, settings: LocationSettings = LocationSettings(), *, progress: Progress = silent
) -> RigMotion:  # fmt: skip
    """Return where every body of ``rig`` that moves (all but "room") was at each moment of ``observations``.

    Moments stay as they are, unless a clock is so far out that some frame belongs to another one by the rig's corrected clocks. All bodies are located
    at the same times, the mean of each moment's frames. A moment needs one camera that sees four points of one target that are not nearly on one
    line; all other points of the moment count too. Every moment is solved by itself but for the rate of motion, whose prior is what the neighbours
    say, and which carries each frame to the moment's time. How far corners and whole frames are off is found from the residuals.
    A false detection of a whole tag that is the only one in view cannot be told from a true one.

    Raises: UsageError if no camera is on a body that moves, or sizes differ between rig, map and observations; DataError if nothing can be located,
    or most of what is seen contradicts the map.
    """
    bodies = _moving_bodies(rig, observations)
    seen = _of_cameras(observations, [name for name in observations.cameras if rig.camera(name).body in bodies])
    for name, size in zip(seen.cameras, seen.image_size, strict=True):
        check_image_size(name, rig.camera(name).model.image_size, size, None)
    offset_s = np.array([rig.camera(name).time_offset_s for name in seen.cameras])
    times_s = _moment_times(seen, offset_s)
    if _out_of_step(seen, offset_s, times_s):
        seen = in_step(seen, offset_s)
        times_s = _moment_times(seen, offset_s)
    sightings = {body: sightings_of(rig, tag_map, seen, body, times_s) for body in bodies}
    moved, knocked, located = dict[int, int](), set[str](), dict[str, Located]()
    for number in range(_ROUNDS):
        for k, body in enumerate(bodies):
            s = sightings[body]
            kept = s.keep(still_in_place(s, moved, knocked))
            if body in located and len(kept.frame) == len(located[body].sightings.frame):
                continue
            before = (number + k / len(bodies)) / _ROUNDS
            located[body] = locate_body(
                kept, times_s, tag_map.T_room_target, tell=lambda done, before=before: progress(before + done / len(bodies) / _ROUNDS, 1.0)  # type: ignore[misc]
            )  # fmt: skip
        bad_cameras = {name for found in located.values() for name in wrong_cameras(found)}
        # A camera that has moved makes targets look wrong that only it sees: those are judged without it.
        moved_now = {} if bad_cameras else moved_since(judge_views(list(located.values())))
        if not bad_cameras and not moved_now:
            break
        knocked |= bad_cameras
        moved |= moved_now
    _check_agreement(located, tag_map, moved)
    progress(1.0, 1.0)
    motions = {body: _motion(found, times_s, rig, tag_map, settings) for body, found in located.items()}
    _check_located(motions, tag_map)
    noise = {name: float("nan") for name in seen.cameras}
    for found in located.values():
        noise |= {name: float(value) for name, value in zip(found.sightings.cameras, found.noise_px, strict=True)}
    covers = ("pixels", *(("map",) if settings.map_sigma and tag_map.sigma is not None else ()), *(("rig",) if settings.rig_sigma else ()))
    rejected = {name: _KNOCKED for name in sorted(knocked)} | _moved_texts(located, sightings, moved, tag_map, times_s)
    rejected |= _rejected_views(located, seen, tag_map)
    return RigMotion(rig.name, tag_map.name, motions, noise, covers, rejected)


def _moving_bodies(rig: Rig, observations: Observations) -> tuple[str, ...]:
    bodies = {rig.camera(name).body for name in observations.cameras}
    moving = tuple(body for body in rig.bodies if body in bodies and body != "room")
    if not moving:
        raise UsageError(
            f"All cameras ({', '.join(observations.cameras)}) of rig '{rig.name}' are on 'room', which does not move in itself; a rig with cameras on "
            "another body, such as a helmet, was expected."
        )
    return moving


def _of_cameras(observations: Observations, names: list[str]) -> Observations:
    rows = [observations.cameras.index(name) for name in names]
    return Observations(
        tuple(names), tuple(observations.image_size[c] for c in rows), observations.targets, observations.frame_index[rows],
        observations.times_s[rows], observations.pixels[rows],
    )  # fmt: skip


def _moment_times(observations: Observations, offset_s: FloatArray) -> FloatArray:
    """Return (T,) the mean true time of each moment's frames; NaN where none has a time."""
    taken = observations.times_s + offset_s[:, None]
    there = np.isfinite(taken)
    count = there.sum(axis=0)
    return np.where(count > 0, np.where(there, taken, 0.0).sum(axis=0) / np.maximum(count, 1), np.nan)


def _out_of_step(observations: Observations, offset_s: FloatArray, times_s: FloatArray) -> bool:
    """Tell whether some frame was taken more than half a frame period from its moment."""
    gaps = np.diff(times_s[np.isfinite(times_s)])
    if len(gaps) == 0:
        return False
    late = observations.times_s + offset_s[:, None] - times_s
    return bool(np.nanmax(np.abs(late)) > 0.5 * np.median(gaps))


def _motion(found: Located, times_s: FloatArray, rig: Rig, tag_map: TagMap, settings: LocationSettings) -> BodyMotion:
    covariance = found.covariance[:, :6, :6] + systematic_covariance(
        found, tag_map if settings.map_sigma else None, rig if settings.rig_sigma else None
    )
    variance = np.einsum("tii->ti", covariance)
    loose = (variance[:, :3].mean(axis=1) > settings.most_sigma_rad**2) | (variance[:, 3:].mean(axis=1) > settings.most_sigma_m**2)
    outcome = np.where((found.outcome == Outcome.LOCATED) & loose, np.uint8(Outcome.UNCERTAIN), found.outcome)
    good = outcome == Outcome.LOCATED
    s = found.sightings
    points = np.bincount(s.moment_of_point, found.agrees, minlength=s.moments).astype(np.int64)
    pairs = np.unique(np.stack([s.moment_of_point, s.target])[:, found.agrees], axis=1)
    targets = np.bincount(pairs[0], minlength=s.moments)
    turning, moving = map(float, found.acceleration)
    return BodyMotion(
        times_s, np.where(good[:, None, None], found.knots.T, np.nan), np.where(good[:, None, None], covariance, np.nan),
        np.where((good & found.rate_known)[:, None], found.knots.rate, np.nan), (turning, moving), (found.slack.rotation, found.slack.time_s),
        outcome, np.where(good, points, 0), np.where(good, targets, 0),
    )  # fmt: skip


def _check_agreement(located: Mapping[str, Located], tag_map: TagMap, moved: Mapping[int, int]) -> None:
    contradictory, agreeing = 0, 0
    seen = set[int]()
    for found in located.values():
        s = found.sightings
        contradictory += int((found.outcome == Outcome.CONTRADICTORY).sum())
        views = np.bincount(s.moment_of_point[s.view_start], ~wrong_views(found), minlength=s.moments)
        agreeing += int(((views >= 2) & (found.outcome == Outcome.LOCATED)).sum())
        seen |= set(np.unique(s.target).tolist())
    wrong = [tag_map.targets.names[target] for target in sorted(moved)]
    if contradictory >= _FEWEST_CONTRADICTIONS and contradictory > agreeing:
        found_moved = f" {', '.join(wrong)} had been left out already." if wrong else ""
        raise DataError(
            f"What is seen contradicts tag map '{tag_map.name}': at {counted(contradictory, 'moment')} no pose explains more than half of it, and at only "
            f"{agreeing} do two views agree.{found_moved} Was this room filmed, are ids and tag sizes those of the map, and is this the rig that was worn? "
            "Make the map anew with `bodydouble calibrate rig --tag-map`."
        )
    if len(moved) > 1 and 2 * len(moved) > len(seen | set(moved)):
        raise DataError(
            f"{len(moved)} of {len(seen | set(moved))} targets ({', '.join(wrong)}) are not where tag map '{tag_map.name}' says, so the rest cannot be "
            "believed either. Make the map anew with `bodydouble calibrate rig --tag-map`."
        )


def _check_located(motions: Mapping[str, BodyMotion], tag_map: TagMap) -> None:
    if any(motion.observed.any() for motion in motions.values()):
        return
    reasons = {
        Outcome.UNSEEN: "nothing of the map was in view", Outcome.TOO_FEW: "no four points of one target were seen together",
        Outcome.CONTRADICTORY: "no pose explained more than half of what was seen", Outcome.AMBIGUOUS: "two poses explained it equally well",
        Outcome.UNCERTAIN: "the pose was not known well enough",
    }  # fmt: skip
    told = [
        f"'{body}': " + ", ".join(f"{text} ({counted(count, 'moment')})" for item, text in reasons.items() if (count := int((motion.outcome == item).sum())))
        for body, motion in motions.items()
    ]  # fmt: skip
    raise DataError(
        f"The rig could not be located in tag map '{tag_map.name}' at any moment. {'; '.join(told)}. Film tags larger, nearer, and several at once."
    )


def _moved_texts(
    located: Mapping[str, Located], sightings: Mapping[str, Sightings], moved: Mapping[int, int], tag_map: TagMap, times_s: FloatArray
) -> dict[str, str]:  # fmt: skip
    texts = {}
    for target, since in moved.items():
        whole = {body: replace(found, sightings=sightings[body]) for body, found in located.items()}
        apart = [distance_moved(found, target, since, tag_map.T_room_target) for found in whole.values()]
        apart = [value for value in apart if np.isfinite(value)]
        if not apart:
            how = "does not stand as the map says"
        elif max(apart) < _SMALL_M:
            how = "is turned against the map"
        else:
            how = f"is {100 * max(apart):.1f} cm from its place in the map"
        when = "" if since == 0 else f" from {times_s[since]:.2f} s on" if np.isfinite(times_s[since]) else f" from moment {since} on"
        texts[tag_map.targets.names[target]] = f"it {how}{when}: not used there; make the map anew if it stays so"
    return texts


def _rejected_views(located: Mapping[str, Located], observations: Observations, tag_map: TagMap) -> dict[str, str]:
    """Name single views, of targets and cameras that are otherwise right, that the rest contradicts."""
    rejected = {}
    for found in located.values():
        s, start = found.sightings, found.sightings.view_start
        ends = np.append(start, len(s.frame))
        wrong = wrong_views(found) & (found.outcome[s.moment_of_point[start]] == Outcome.LOCATED)
        distance = np.linalg.norm(found.residual, axis=1)
        for v in np.flatnonzero(wrong):
            name, moment = s.cameras[s.camera_of_point[start[v]]], s.moment_of_point[start[v]]
            frame = observations.frame_index[observations.cameras.index(name), moment]
            off = distance[ends[v] : ends[v + 1]]
            off = off[np.isfinite(off)]
            rejected[f"{name} frame {frame} {tag_map.targets.names[s.target[start[v]]]}"] = (
                f"{np.median(off):.1f} px off what the rest says" if len(off) else "out of view from where the rest says the camera was"
            )
    return rejected
