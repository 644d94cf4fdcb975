"""Compare the rig calibration with aniposelib, `cv2.calibrateMultiview` and a plain bundle adjustment, on the same detections; prints one table.

    .venv/bin/python tests/benchmarks/calibration_against_peers.py [RECORDING]

Two captures: a real one of four webcams and a ChArUco board (RECORDING, by default ../shared/data/multicam_calib/caliscope_hands_board; left out
where it is not there), and a simulated one whose truth is known: four lenses, clocks up to 8 ms apart, corners found to 0.2 px. Everybody solves
on the even frames and is scored on the odd ones by the same code: distances between all pairs of triangulated corners against the board, nothing
left out. Each runs in a process of its own, whose peak memory is printed. Times are of this run and of use only as ratios.

aniposelib takes part where it is installed (`pip install aniposelib`, into a copy of this environment: it brings JAX and Numba). It is not taught
our detections by its detector but handed them, as `CameraGroup.calibrate_rows` takes them.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
import multiprocessing
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from bodydouble.calibration import Board, MountedCamera, PinholeCamera, Rig, read_caliscope
from bodydouble.calibration.boards.observations import observe
from bodydouble.calibration.held_out import only, score_held_out
from bodydouble.calibration.in_step import in_step
from bodydouble.calibration.observations import NO_FRAME, Observations
from bodydouble.calibration.rig_calibration import HeldOutScore
from bodydouble.calibration.rig_solve import RigSettings, calibrate_rig
from bodydouble.calibration.transform import invert, pose_from
from bodydouble.capture import open_recording

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "calibration"))
from simulated_capture import as_built, charuco, hand_held, simulate, standing_rig

FloatArray = npt.NDArray[np.float64]
Rows = list[tuple[str, "Answer"]]

RECORDING = Path(__file__).resolve().parents[3] / "shared" / "data" / "multicam_calib" / "caliscope_hands_board"
PATIENCE_S = 600.0
DIVERGED_MM = 20.0
FEWEST = 6


class NotInstalledError(Exception):
    """A peer is not here; the message says how to get it."""


@dataclass(frozen=True)
class Answer:
    """What a contestant's process sends back."""

    rig: Rig | None
    seconds: float
    peak_mb: float
    problem: str = ""


def ours(seen: Observations) -> Rig:
    return calibrate_rig(seen, RigSettings(train="all")).rig


def ours_without_clocks(seen: Observations) -> Rig:
    return calibrate_rig(seen, RigSettings(train="all", clocks=False)).rig


def plain_bundle_adjustment(seen: Observations) -> Rig:
    """What one writes in an afternoon: `cv2.calibrateCamera`, chained PnP, then `least_squares` over lenses, mounts and board poses."""
    import cv2
    from scipy.optimize import least_squares
    from scipy.sparse import coo_matrix

    cameras, moments = len(seen.cameras), seen.moments
    objects = seen.targets.points
    poses: FloatArray = np.full((cameras, moments, 4, 4), np.nan)
    lenses = []
    for c in range(cameras):
        views = [m for m in range(moments) if seen.seen[c, m].sum() >= FEWEST]
        pairs = [(objects[seen.seen[c, m]].astype(np.float32), seen.pixels[c, m][seen.seen[c, m]].astype(np.float32)) for m in views]
        _, K, k, turns, moves = cv2.calibrateCamera([p[0] for p in pairs], [p[1] for p in pairs], seen.image_size[c], None, None)
        lenses.append(np.array([K[0, 0], K[1, 1], K[0, 2], K[1, 2], *k.ravel()[:5]]))
        for m, r, t in zip(views, turns, moves, strict=True):
            poses[c, m] = pose_from(cv2.Rodrigues(r)[0], t.ravel())
    mounts = _chained(poses)  # T_camera_first
    used = np.flatnonzero(np.isfinite(poses[..., 0, 0]).sum(axis=0) >= 1)
    boards = []
    for m in used:
        c = int(np.argmax(np.where(np.isfinite(poses[:, m, 0, 0]), seen.seen[:, m].sum(axis=-1), -1)))
        boards.append(invert(mounts[c]) @ poses[c, m])
    c, row, p = np.nonzero(seen.seen[:, used] & np.isfinite(poses[:, used, 0, 0])[..., None])
    found = seen.pixels[:, used][c, row, p]
    start = np.concatenate([np.ravel(lenses), *map(_vector, mounts[1:]), *map(_vector, boards)])
    mount0, board0 = 9 * cameras, 9 * cameras + 6 * (cameras - 1)

    def residuals(x: FloatArray) -> FloatArray:
        T = np.stack([np.eye(4), *(_pose(v) for v in x[mount0:board0].reshape(-1, 6))])[c]
        B = np.stack([_pose(v) for v in x[board0:].reshape(-1, 6)])[row]
        fx, fy, cx, cy, k1, k2, p1, p2, k3 = x[:mount0].reshape(-1, 9)[c].T
        q = np.einsum("nij,nj->ni", (T @ B)[:, :3], np.c_[objects[p], np.ones(len(p))])
        u, v = q[:, 0] / q[:, 2], q[:, 1] / q[:, 2]
        r2 = u * u + v * v
        radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
        px = fx * (u * radial + 2 * p1 * u * v + p2 * (r2 + 2 * u * u)) + cx
        py = fy * (v * radial + p1 * (r2 + 2 * v * v) + 2 * p2 * u * v) + cy
        return np.stack([px - found[:, 0], py - found[:, 1]], axis=1).ravel()

    columns = np.concatenate([9 * c[:, None] + np.arange(9), np.where(c[:, None] > 0, mount0 + 6 * (c[:, None] - 1) + np.arange(6), 0),
                              board0 + 6 * row[:, None] + np.arange(6)], axis=1).repeat(2, axis=0)  # fmt: skip
    lines = np.arange(len(columns))[:, None] + np.zeros_like(columns)
    sparsity = coo_matrix((np.ones(columns.size), (lines.ravel(), columns.ravel())), shape=(len(columns), len(start)))
    x = least_squares(residuals, start, jac_sparsity=sparsity, loss="soft_l1", x_scale="jac", max_nfev=200).x
    return _rig(seen, x[:mount0].reshape(-1, 9), [np.eye(4), *(_pose(v) for v in x[mount0:board0].reshape(-1, 6))])


def opencv_all_views(seen: Observations) -> Rig:
    return _multiview(seen, FEWEST)


def opencv_whole_boards(seen: Observations) -> Rig:
    return _multiview(seen, len(seen.targets.points))


def aniposelib(seen: Observations) -> Rig:
    try:
        from aniposelib.boards import CharucoBoard
        from aniposelib.cameras import Camera, CameraGroup
    except ImportError:
        raise NotInstalledError("not installed: pip install aniposelib, into a copy of this environment") from None
    import cv2

    class KnownCorners(CharucoBoard):  # type: ignore[misc]
        """Its own ChArUco board, with our corners instead of those of its detector."""

        def __init__(self) -> None:
            self.objPoints = seen.targets.points
            self.empty_detection = np.full((len(self.objPoints), 1, 2), np.nan)

        def estimate_pose_points(self, camera: Any, corners: Any, ids: Any) -> Any:
            if len(corners) < 7:  # as in the class that this one is derived from
                return None, None
            there, r, t = cv2.solvePnP(self.objPoints[ids.ravel()], corners, camera.get_camera_matrix(), camera.get_distortions())
            return (r, t) if there else (None, None)

    np.random.seed(0)
    board = KnownCorners()
    rows = []
    for c in range(len(seen.cameras)):
        found = [(m, np.flatnonzero(seen.seen[c, m])) for m in range(seen.moments) if seen.seen[c, m].any()]
        rows.append([{"framenum": m, "corners": seen.pixels[c, m, ids][:, None], "ids": ids[:, None]} for m, ids in found])
        board.fill_points_rows(rows[-1])
    group = CameraGroup([Camera(name=name, size=size) for name, size in zip(seen.cameras, seen.image_size, strict=True)])
    group.calibrate_rows(rows, board, verbose=False)
    lenses = [[*np.diag(cam.matrix)[:2], *cam.matrix[:2, 2], *cam.dist] for cam in group.cameras]
    return _rig(seen, lenses, [cam.get_extrinsics_mat() for cam in group.cameras])


CONTESTANTS: dict[str, Callable[[Observations], Rig]] = {
    "bodydouble": ours,
    "bodydouble, clocks not solved": ours_without_clocks,
    "plain bundle adjustment": plain_bundle_adjustment,
    "aniposelib": aniposelib,
    "cv2.calibrateMultiview, all views": opencv_all_views,
    "cv2.calibrateMultiview, whole boards": opencv_whole_boards,
}


def _multiview(seen: Observations, fewest: int) -> Rig:
    import cv2

    mask = seen.seen.sum(axis=-1) >= fewest
    used = mask.any(axis=0)
    mask, pixels = mask[:, used], np.nan_to_num(seen.pixels[:, used], nan=-1.0).astype(np.float32)
    points = np.repeat(seen.targets.points.astype(np.float32)[None], used.sum(), axis=0)
    models = np.full(len(seen.cameras), cv2.CALIB_MODEL_PINHOLE, dtype=np.uint8)
    rows, sizes = [list(row) for row in pixels], list(seen.image_size)
    _, K, k, R, t = cv2.calibrateMultiview(list(points), rows, sizes, mask.astype(np.uint8), models, None, None, None, None)
    lenses = [[*np.diag(m)[:2], *m[:2, 2], *np.ravel(d)[:5]] for m, d in zip(K, k, strict=True)]
    turns = [cv2.Rodrigues(r)[0] if np.size(r) == 3 else r for r in R]
    return _rig(seen, lenses, [pose_from(turn, np.ravel(move)) for turn, move in zip(turns, t, strict=True)])


def _rig(seen: Observations, lenses: Any, T_camera_first: Any) -> Rig:
    cameras = {}
    for name, size, lens, T in zip(seen.cameras, seen.image_size, lenses, T_camera_first, strict=True):
        fx, fy, cx, cy, *distortion = map(float, lens)
        cameras[name] = MountedCamera(name, PinholeCamera(size, (fx, fy), (cx, cy), tuple(distortion)), "room", invert(np.asarray(T)))
    return Rig("peer", ("room",), cameras)


def _chained(poses: FloatArray) -> FloatArray:
    """Return T_camera_first (C, 4, 4) from T_camera_board (C, M, 4, 4): along the pairs that share most moments, the pose nearest to the median."""
    there = np.isfinite(poses[..., 0, 0]).astype(int)
    shared = there @ there.T
    placed = {0: np.eye(4)}
    while len(placed) < len(poses):
        _, a, b = max((shared[a, b], a, b) for a in placed for b in range(len(poses)) if b not in placed)
        both = poses[:, np.flatnonzero(there[a] & there[b])]
        steps = np.stack([two @ invert(one) for one, two in zip(both[a], both[b], strict=True)])
        nearest = np.argmin(np.linalg.norm(steps[:, :3, 3] - np.median(steps[:, :3, 3], axis=0), axis=-1))
        placed[b] = steps[nearest] @ placed[a]
    return np.stack([placed[camera] for camera in range(len(poses))])


def _vector(T: FloatArray) -> FloatArray:
    from scipy.spatial.transform import Rotation

    return np.concatenate([Rotation.from_matrix(T[:3, :3]).as_rotvec(), T[:3, 3]])


def _pose(vector: FloatArray) -> FloatArray:
    from scipy.spatial.transform import Rotation

    return pose_from(Rotation.from_rotvec(vector[:3]).as_matrix(), vector[3:])


def _work(name: str, seen: Observations, send: Any) -> None:
    """Run one contestant; the body of its process."""
    rig, problem, began = None, "", time.perf_counter()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            rig = CONTESTANTS[name](seen)
    except NotInstalledError as missing:
        problem = str(missing)
    except Exception as error:  # a peer may fail in any way; that is a result too
        problem = f"failed: {str(error).strip().splitlines()[0][:80]}"
    seconds = time.perf_counter() - began
    status = Path("/proc/self/status").read_text()
    send.send(Answer(rig, seconds, int(status.split("VmHWM:")[1].split()[0]) / 1e3, problem))


def run(name: str, seen: Observations) -> Answer:
    """Run one contestant in a process of its own, for ten minutes at most."""
    context = multiprocessing.get_context("spawn")
    receive, send = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(name, seen, send))
    process.start()
    send.close()
    try:
        answer: Answer = receive.recv() if receive.poll(PATIENCE_S) else Answer(None, PATIENCE_S, np.nan, "stopped after 10 minutes")
    except EOFError:
        answer = Answer(None, np.nan, np.nan, "its process crashed")
    process.kill()
    process.join()
    return answer


def compare(table: Table, observations: Observations, truth: Rig | None, clocks_s: FloatArray | None, extra: dict[str, Rig]) -> None:
    """Add a row for every contestant on one capture. ``clocks_s`` (C,) are the true clocks, else those that ours finds are taken."""
    odd = (observations.frame_index != NO_FRAME) & (observations.frame_index % 2 == 1)
    seen = only(observations, ~odd)
    answers: Rows = []
    for name in CONTESTANTS:
        print(f"  {name} ...", file=sys.stderr, flush=True)
        answers.append((name, run(name, seen)))
    if clocks_s is None:
        found = answers[0][1].rig
        clocks_s = np.array([camera.time_offset_s for camera in found.cameras.values()]) if found else np.zeros(len(observations.cameras))
    stepped = in_step(observations, clocks_s)
    sets = [only(item, item.frame_index % 2 == 1) for item in (observations, stepped)]
    answers += [(name, Answer(rig, np.nan, np.nan)) for name, rig in extra.items()]
    for name, answer in answers:
        add_row(table, name, answer, sets, truth)
    table.add_section()


def add_row(table: Table, name: str, answer: Answer, sets: list[Observations], truth: Rig | None) -> None:
    cells, note = ["", "", "", "", "", ""], answer.problem
    if answer.rig is not None:
        stamped, stepped = (_errors_mm(score_held_out(answer.rig, item)) for item in sets)
        if not stamped[0] <= DIVERGED_MM:
            note = "diverged"
        cells[:4] = [f"{value:.3f}" for value in (*stamped, *stepped)]
        if truth is not None:
            cells[4:] = [f"{value:.2f}" for value in _off(answer.rig, truth)]
    table.add_row(name, *cells, _figure(answer.seconds, ".1f"), _figure(answer.peak_mb, ".0f"), note)


def _errors_mm(score: HeldOutScore) -> tuple[float, float]:
    error = 1e3 * np.abs(score.distance_error_m)
    return (float(np.median(error)), float(np.sqrt(np.mean(error**2)))) if len(error) else (np.nan, np.nan)


def _off(rig: Rig, truth: Rig) -> tuple[float, float]:
    """Return by how much the worst focal length (%) and the worst camera's position, seen from the first camera (mm), are off."""
    names = truth.names
    focal = [np.abs(np.divide(rig.camera(n).model.focal, truth.camera(n).model.focal) - 1).max() for n in names]
    first, true_first = (invert(item.camera(names[0]).T_body_camera) for item in (rig, truth))
    moved = [(first @ rig.camera(n).T_body_camera - true_first @ truth.camera(n).T_body_camera)[:3, 3] for n in names]
    return 100 * float(max(focal)), 1e3 * float(np.linalg.norm(moved, axis=-1).max())


def _figure(value: float, style: str) -> str:
    return format(value, style) if np.isfinite(value) else ""


def main(folder: Path) -> None:
    table = Table(title="Distances between board corners on frames that nobody solved with", title_justify="left")
    table.add_column("contestant")
    for column in ("as stamped: median mm", "rms mm", "in step: median mm", "rms mm", "focal off %", "camera off mm", "solve s", "peak MB"):
        table.add_column(column, justify="right")
    table.add_column("note")
    if folder.is_dir():
        print(f"{folder.name}, real", file=sys.stderr)
        observations = observe(open_recording(folder, stills=True), [Board.load(folder / "charuco.toml")])
        own = folder / "camera_array.toml"
        extra = {"Caliscope's own file, of all frames": read_caliscope(own)} if own.is_file() else {}
        compare(table, observations, None, None, extra)
    else:
        print(f"{folder} is not here; only the simulated capture is compared.", file=sys.stderr)
    print("simulated", file=sys.stderr)
    rig, board = as_built(standing_rig(), seed=1), charuco()
    simulated, truth = simulate(rig, board.targets, np.full((1, 4, 4), np.nan), {board.name: hand_held(1)}, seed=1)
    clocks = np.array([camera.time_offset_s for camera in rig.cameras.values()])
    compare(table, simulated, truth.rig, clocks, {})
    console = Console(width=200)
    console.print(table)
    console.print(
        "First rows: four real webcams; last rows: simulated, four cameras, clocks up to 8 ms apart, corners to 0.2 px. As stamped: frames belong\n"
        "together as the files say. In step: as ours finds the clocks, or as they truly are (simulated); only ours knows clocks, the others' rigs\n"
        "are scored with them all the same.\n"
        "Focal length and camera position: the worst camera's, where the truth is known. Solving starts from detections; memory is of the whole process."
    )
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        console.print(f"aniposelib {importlib.metadata.version('aniposelib')}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else RECORDING)
