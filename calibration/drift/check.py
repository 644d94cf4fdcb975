"""Has a camera moved since the calibration? What a recording's own points say, without a board if need be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.boards.board import Targets
from bodydouble.calibration.drift.evidence import Explanation
from bodydouble.calibration.drift.exchange import find_exchange
from bodydouble.calibration.drift.fit import costs, fit, linearise, scale_of
from bodydouble.calibration.drift.judge import Agreement, Judge, Judgement
from bodydouble.calibration.drift.outcome import change_of_all, drift_windows, judged_camera, residuals_of, unknown_camera
from bodydouble.calibration.drift.placement import POSE, Placement, first_places, moved_by
from bodydouble.calibration.drift.points import SharedPoints, shared_points
from bodydouble.calibration.drift.result import CameraDrift, CameraState, Drift, Finding, Residuals
from bodydouble.calibration.drift.settings import DriftSettings, PointKind, drift_settings
from bodydouble.calibration.drift.step import find_step, time_of, windows_of
from bodydouble.calibration.rig import Rig
from bodydouble.errors import UsageError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_FAR = np.radians(1.5)
"""From here on a turn is fitted again from where it leads: the problem is not linear that far."""
_STRANGE = 4.0
"""A camera whose errors are so many times those of the others sees something else."""


def check_drift(
    rig: Rig, pixels: FloatArray, confidence: FloatArray | None, times: FloatArray, noise_px: FloatArray | float | None = None, *,
    targets: Targets | None = None, part_of_point: IntArray | None = None, kind: PointKind = "landmarks",
    settings: DriftSettings | None = None,
) -> Drift:  # fmt: skip
    """Say whether a camera has moved since ``rig`` was calibrated, which one, and by how much.

    ``pixels`` (C, T, P, 2) of P points at T moments in the rig's cameras in its order, NaN where not seen; ``confidence`` (C, T, P) in [0, 1];
    ``times`` (C, T) s as stamped, NaN where there are none. Points are what several cameras of one body saw at the same moment; nothing is known of
    their places unless they are those of ``targets``. ``noise_px``, which broadcasts to (C, T, P), is their expected error; only its proportions matter
    much, as its size is found from the recording. ``part_of_point`` (P,) tells which points err together all the time, such as those of a hand.

    Each hypothesis "this camera moved by six numbers, all others stand as calibrated" is held against "nobody moved", see ``drift_evidence``. Raises:
    UsageError for arrays that do not fit the rig.
    """
    settings = settings or drift_settings()
    _check_shapes(rig, pixels, confidence, times, targets, part_of_point)
    expected = settings.of(kind).noise_px if noise_px is None else noise_px
    points = shared_points(rig, pixels, confidence, times, expected, targets, part_of_point, settings.shared)
    return _Check(rig, points, kind, settings).run()


def _check_shapes(
    rig: Rig, pixels: FloatArray, confidence: FloatArray | None, times: FloatArray, targets: Targets | None, part_of_point: IntArray | None
) -> None:
    C = len(rig.cameras)
    if pixels.ndim != 4 or pixels.shape[0] != C or pixels.shape[3] != 2:
        raise UsageError(f"pixels have shape {pixels.shape}; expected ({C}, T, P, 2) for the {C} cameras of rig '{rig.name}'.")
    _, T, P = pixels.shape[:3]
    for name, shape, found in (
        ("times", (C, T), np.shape(times)),
        ("confidence", (C, T, P), None if confidence is None else np.shape(confidence)),
        ("part_of_point", (P,), None if part_of_point is None else np.shape(part_of_point)),
        ("targets.points", (P, 3), None if targets is None else np.shape(targets.points)),
    ):
        if found is not None and found != shape:
            raise UsageError(f"{name} has shape {found}; expected {shape} to fit pixels of shape {pixels.shape}.")


class _Check:
    """The steps of one check, with what they share."""

    def __init__(self, rig: Rig, points: SharedPoints, kind: PointKind, settings: DriftSettings) -> None:
        self.rig, self.kind, self.limits, self.shared = rig, kind, settings.of(kind), settings.shared
        self.C = len(rig.cameras)
        still = np.tile(np.eye(4), (1, self.C, 1, 1))
        place = first_places(points, still, np.zeros(points.blocks, dtype=np.int64)) if points.blocks else np.zeros((0, 3))
        self.points = points.select(Placement(still, place).placed)
        self.expected_px = float(np.median(points.sigma[points.seen])) if points.blocks else self.limits.noise_px
        self.pairs = self.points.shared_moments()
        self.able = np.diag(self.pairs) >= self.shared.fewest_moments.value

    def run(self) -> Drift:
        if self.able.sum() < 2:
            return self._unjudged("not_enough", ())
        exchanged = find_exchange(self.points)
        if exchanged is not None:
            return self._unjudged("exchanged", exchanged)
        window = windows_of(self.points, int(self.shared.windows.value), int(self.shared.fewest_moments.value), self.shared.alike_s.value)
        judge = self._judge(window, 0)
        strange = self._strange(judge)
        if strange:
            return self._unjudged("incoherent", strange, judge)
        split = self._split(judge)
        judge = self._judge(window, split) if split else judge
        judged = judge.judge(window >= split)
        far = max(judged.single, key=lambda item: item.gain)
        if judge.significant(far) and np.linalg.norm(far.change[0, :3]) > _FAR:
            nearer = self._nearer(judge, split, far)
            if nearer is not None:
                judge, judged = nearer, nearer.judge(window >= split)
        if split and judged.finding == "still":
            before = judge.judge(window < split)
            if before.finding != "still":
                return self._judged(judge, before, until_s=self._time_of(judge, split, before))
        since = self._time_of(judge, split, judged) if split and judged.finding != "still" else None
        return self._judged(judge, judged, since_s=since)

    def _judge(self, window: IntArray, split: int, prior: FloatArray | None = None) -> Judge:
        """Let cameras and points agree, before and after the window ``split`` by themselves; cameras are drawn towards the change ``prior`` (C, 6)."""
        points, side = self.points, (window >= split).astype(np.int64) if split else np.zeros_like(window)
        towards = np.zeros((int(side.max()) + 1, self.C, POSE))
        towards[-1] = 0.0 if prior is None else prior
        motion = moved_by(towards)
        place = fit(points, Placement(motion, first_places(points, motion, side)), side, self.able, 1.0, prior=towards)
        scale = scale_of(points, place, side, self.able, 1.0)
        for _ in range(2):
            place = fit(points, place, side, self.able, scale, prior=towards, widen=False)
            scale = scale_of(points, place, side, self.able, scale)
        _, first = np.unique(window, return_index=True)
        place = Placement(place.motion[side[first]], place.place)
        agreement = Agreement(window, place, scale, linearise(points, place, window, scale))
        return Judge(self.rig, points, self.able, self.expected_px, agreement, self.limits, self.shared)

    def _nearer(self, judge: Judge, split: int, found: Explanation) -> Judge | None:
        """Fit again from where the best explanation puts its camera; None if that explains less than it seems to from afar."""
        window, scale = judge.agreement.window, judge.agreement.scale
        some = self.points.select(window >= split)
        zeros, free = np.zeros(some.blocks, dtype=np.int64), np.isin(np.arange(self.C), found.cameras)
        placed, cost = [], []
        for change, which in ((np.zeros((self.C, POSE)), free & False), (change_of_all(found, self.C), free)):
            motion = moved_by(change)[None]
            placed.append(fit(some, Placement(motion, first_places(some, motion, zeros)), zeros, which, scale))
            cost.append(float(costs(some, placed[-1], zeros, scale).sum()))
        nearer = self._judge(window, split, placed[1].change[0])
        gain = max(item.gain for item in nearer.judge(window >= split).single)
        return nearer if gain <= 2 * (cost[0] - cost[1]) else None

    def _split(self, judge: Judge) -> int:
        """Return the first window after a camera moved during the recording; 0 if none did."""
        found = judge.agreement
        step = find_step(self.points, found.linear, found.place, found.window, self.shared.alike_s.value)
        if step is None or step.p_value > self.limits.significance.value:
            return 0
        (camera,) = step.explanation.cameras
        shift = judge.shift_px(camera, step.explanation.change[0], np.ones(self.points.blocks, dtype=bool))
        return step.window if shift >= judge.pass_px else 0

    def _strange(self, judge: Judge) -> tuple[int, ...]:
        """Return the cameras that see something else than the others wherever they all stand; all of them if nothing fits."""
        largest = [max(camera.model.image_size) for camera in self.rig.cameras.values()]
        if judge.noise_px > self.limits.incoherent_share.value * float(np.median(largest)):
            return tuple(np.flatnonzero(self.able))
        off = np.linalg.norm(judge.agreement.linear.residual, axis=-1) / (self.points.sigma * judge.agreement.scale)
        own = np.array([np.median(values) if len(values := off[c][np.isfinite(off[c])]) else 0.0 for c in range(self.C)])
        return tuple(np.flatnonzero(own > _STRANGE * max(float(np.median(own[self.able])), 0.7)))

    def _time_of(self, judge: Judge, split: int, judged: Judgement) -> float:
        window, cameras = judge.agreement.window, judged.joint.cameras
        before, after = (change_of_all(judge.evidence(blocks).explain(cameras), self.C) for blocks in (window < split, window >= split))
        return time_of(self.points, split, window, before, after, judge.agreement.scale)

    def _unjudged(self, finding: Finding, suspects: tuple[int, ...], judge: Judge | None = None) -> Drift:
        noise = judge.noise_px if judge else float("nan")
        shown = residuals_of(self.points, self.rig.names, None, judge.agreement.scale if judge else 1.0)
        state: CameraState = "moved" if finding == "exchanged" else "suspect"
        cameras = {
            name: unknown_camera(self.rig, c, self.pairs, shown.get(name), state if c in suspects else "unknown")
            for c, name in enumerate(self.rig.names)
        }
        return self._drift(finding, suspects, cameras, noise, shown)

    def _judged(self, judge: Judge, judged: Judgement, *, since_s: float | None = None, until_s: float | None = None) -> Drift:
        moved = judged.joint if judged.finding != "still" else None
        shown = residuals_of(self.points.select(judged.blocks), self.rig.names, moved, judge.agreement.scale)
        cameras = {name: judged_camera(judge, judged, c, self.pairs, shown.get(name)) for c, name in enumerate(self.rig.names)}
        blind = judged.finding == "still" and all(camera.state == "unknown" for camera in cameras.values())
        found = self._drift("not_enough" if blind else judged.finding, judged.suspects, cameras, judge.noise_px, shown)
        return replace(found, since_s=since_s, until_s=until_s, windows=drift_windows(judge, moved) if moved else ())

    def _drift(
        self, finding: Finding, suspects: tuple[int, ...], cameras: dict[str, CameraDrift], noise_px: float, shown: dict[str, Residuals]
    ) -> Drift:
        names, moments = tuple(self.rig.names[c] for c in suspects), len(np.unique(self.points.moment))
        return Drift(
            finding, names, cameras, self.kind, noise_px, moments, self.limits.pass_limit_px(np.nan_to_num(noise_px)), residuals=shown
        )
