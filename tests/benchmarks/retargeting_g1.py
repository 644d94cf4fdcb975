"""The Unitree G1 on two OMOMO clips, beside OmniRetarget, scored by a judge that knows neither; prints one table.

    .venv/bin/python tests/benchmarks/retargeting_g1.py --peer-python ~/peers/bin/python [--wheel holosoma_retargeting-0.1.0-py3-none-any.whl] [--frames 60]

Clips, model and OmniRetarget itself are in the `holosoma-retargeting` 0.1.0 wheel, which is downloaded unless --wheel names it. It is for comparison, never
for tuning, and nothing of it stays. The judge is ../shared/judges/score_g1.py: key points after the best scale and shift, limb directions, sliding,
floating and sinking soles, links that overlap by more than 1 cm; it runs in the peers' environment. OmniRetarget takes a second a frame: --frames shortens
the clips for everybody, --stored FOLDER takes its results from an earlier run that --keep FOLDER wrote. Times are wall times of the solve, one thread.

    python -m venv ~/peers && ~/peers/bin/pip install numpy==2.3.5 mujoco==3.3.7 torch==2.13.0 cvxpy trimesh viser yourdfpy libigl smplx tyro tqdm jinja2

OmniRetarget fails with numpy 2.4 and loads its models from the wheel. GMR is not on the package index and takes no part.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
from retargeting_peers import ask
from rich.console import Console
from rich.table import Table
from scipy.spatial import ConvexHull

from bodydouble.errors import BodydoubleError
from bodydouble.retarget import Robot, retarget
from bodydouble.retarget.capsule_fitting import Capsule, Piece, fit_capsule
from bodydouble.retarget.limits import finite_rates
from bodydouble.retarget.motions import read_motion
from bodydouble.retarget.targets import make_targets

FloatArray = npt.NDArray[np.float64]

JUDGE = Path(__file__).resolve().parents[3] / "shared" / "judges" / "score_g1.py"
CLIPS = ("sub3_largebox_003", "sub10_largebox_049")
RATE_HZ = 30.0
COLUMNS, JOINTS_AT, JOINTS = 591, 162, 52
"""A clip is (T, 591): 52 joints in m, z up, start at column 162."""
BODY = {"Pelvis": "Hips", "Torso": "Spine", "Spine": "Spine1", "Neck": "Neck", "Head": "Head"} | {
    f"{short}_{theirs}": f"{side}{name}"
    for short, side in (("L", "Left"), ("R", "Right"))
    for theirs, name in {"Hip": "UpLeg", "Knee": "Leg", "Ankle": "Foot", "Toe": "ToeBase", "Thorax": "Shoulder", "Shoulder": "Arm", "Elbow": "ForeArm",
                         "Wrist": "Hand"}.items()
}  # fmt: skip
"""OMOMO's name of a joint to the name that OptiTrack has for it; its third spine joint has none."""
FINGERS = ("Index", "Middle", "Pinky", "Ring", "Thumb")
G1_TOML = """\
name = "g1"
description = "Unitree G1, 29 joints, no fingers"
urdf = "models/g1/g1_29dof.urdf"
base = "floating"
like = "optimus"
acceleration = 200.0
contacts = ["left_heel", "left_toe_tip", "right_heel", "right_toe_tip"]

[zero]  # arms hang straight
left_elbow_joint = 90.0
right_elbow_joint = 90.0

[rest]
left_shoulder_roll_joint = 10.0
right_shoulder_roll_joint = -10.0
left_elbow_joint = 60.0
right_elbow_joint = 60.0
left_hip_pitch_joint = -10.0
right_hip_pitch_joint = -10.0
left_knee_joint = 20.0
right_knee_joint = 20.0
left_ankle_pitch_joint = -10.0
right_ankle_pitch_joint = -10.0

[skeleton]
pelvis = "pelvis"
thorax = "torso_link"
"{side}_upper_arm" = "{side}_shoulder_roll_link"
"{side}_forearm" = "{side}_elbow_link"
"{side}_hand" = "{side}_wrist_yaw_link"
"{side}_thigh" = "{side}_hip_roll_link"
"{side}_shank" = "{side}_knee_link"
"{side}_foot" = "{side}_ankle_roll_link"
"{side}_heel" = "{side}_heel"
"{side}_toe_tip" = "{side}_toe_tip"

[scaling]  # the G1 is two thirds of a person and built otherwise: places are scaled with the whole body, not walked along its own limbs
feet = "place"
hands = "size"

[orientation]  # forearm and hand point forward at zero joint angles, a person's hang
left_elbow_link = [0.0, -90.0, 0.0]
right_elbow_link = [0.0, -90.0, 0.0]
left_wrist_yaw_link = [0.0, -90.0, 0.0]
right_wrist_yaw_link = [0.0, -90.0, 0.0]
"""
POINTS = {"heel": (-0.05, 0.0, -0.035), "toe_tip": (0.12, 0.0, -0.035)}
"""Where the model's sole is, in the frame of its foot."""
SOLE_HALF_WIDTH = 0.03
"""m: its edges must stay above the floor as well."""
SMALL = ("pelvis", "logo_link", "waist_yaw_link", "waist_roll_link", "waist_support_link")
"""Links that others enclose."""
SURFACE_POINTS = 3000
FORGIVEN_M = 0.004
"""Less than the overlap of 1 cm that the judge forgives; capsules stand out of what they hold."""
FIGURES = {
    "key points cm": r"kp\s+([\d.]+)", "bones deg": r"bone\s+([\d.]+)", "trunk deg": r"trunk\s+([\d.]+)", "skate cm/s": r"skate\s+([\d.]+)",
    "floating %": r"float\s+([\d.]+)", "sunk %": r"pen>1cm\s+([\d.]+)", "overlap frames": r"self (\d+)/", "out of range": r"lim (\d+)",
    "fastest rad/s": r"vmax\s+([\d.]+)", "jerk": r"jerk\s+([\d.]+)",
}  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """What a contestant made of a clip."""

    qpos: FloatArray
    """(T, 36) base m and quaternion wxyz, 29 joints in MuJoCo's order."""
    ms: float
    """A frame; NaN where the result was stored."""


def unpacked(wheel: Path | None, folder: Path) -> Path:
    """Return the package's folder, from ``wheel`` or downloaded. Raises: SystemExit saying what is wrong."""
    if wheel is None:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), "holosoma-retargeting==0.1.0"]
        if subprocess.run(command, check=False).returncode:
            raise SystemExit("holosoma-retargeting 0.1.0 could not be downloaded; --wheel names a copy of the wheel.")
        wheel = next(folder.glob("holosoma_retargeting*.whl"))
    if not wheel.is_file():
        raise SystemExit(f"{wheel} is not there; leave --wheel out to have it downloaded.")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder, [name for name in archive.namelist() if "/models/h1/" not in name and "/models/t1/" not in name])
    return folder / "holosoma_retargeting"


def joints_of(clip: Path) -> FloatArray:
    """Return a clip's joints (T, 52, 3) in m: a saved tensor is a zip file whose member `data/0` holds the numbers."""
    with zipfile.ZipFile(clip) as archive:
        raw = archive.read(next(name for name in archive.namelist() if name.endswith("/data/0")))
    rows = np.frombuffer(raw, dtype="<f4").reshape(-1, COLUMNS)
    return rows[:, JOINTS_AT : JOINTS_AT + 3 * JOINTS].reshape(-1, JOINTS, 3).astype(np.float64)


def joint_names() -> list[str]:
    """Return OMOMO's 52 names in its order."""
    middle = [
        "Pelvis",
        "L_Hip",
        "L_Knee",
        "L_Ankle",
        "L_Toe",
        "R_Hip",
        "R_Knee",
        "R_Ankle",
        "R_Toe",
        "Torso",
        "Spine",
        "Chest",
        "Neck",
        "Head",
    ]
    arms = [
        [f"{s}_{part}" for part in ("Thorax", "Shoulder", "Elbow", "Wrist", *(f"{f}{n}" for f in FINGERS for n in (1, 2, 3)))] for s in "LR"
    ]
    return middle + arms[0] + arms[1]


def load_g1(package: Path) -> Robot:
    """Write a robot file beside the package's own model, with capsules around its meshes and the tasks of our own robot, and load it."""
    if (package / "g1.toml").exists():
        return Robot.load(package / "g1.toml")
    lines = [G1_TOML, "[groups]"]
    urdf = (package / "models" / "g1" / "g1_29dof.urdf").read_text()
    joints = re.findall(r'<joint name="(\w+)" type="revolute"', urdf)
    lines.append("body = [" + ", ".join(f'"{joint}"' for joint in joints) + "]")
    for side in ("left", "right"):
        for point, at in POINTS.items():
            lines += ["[[points]]", f'name = "{side}_{point}"', f'link = "{side}_ankle_roll_link"', f"at = {list(at)}"]
    for side in ("left", "right"):
        for point, at in POINTS.items():
            for edge, y in (("inner", SOLE_HALF_WIDTH), ("outer", -SOLE_HALF_WIDTH)):
                name = f"{side}_{point}_{edge}"
                lines += ["[[points]]", f'name = "{name}"', f'link = "{side}_ankle_roll_link"', f"at = {[at[0], y, at[2]]}"]
                lines += ["[[tasks]]", f'name = "{name}_above_floor_position"', 'kind = "above"', f'robot = "{name}"']
                lines += [f'human = "{side}_{point}"', "weight = 200.0"]
    lines += ["[collision]", "margin = 0.0", "capsules = ["]
    for link in re.findall(r'<link name="(\w+)"', urdf):
        mesh = package / "models" / "g1" / "assets" / f"{link.replace('hand_link', 'hand')}.obj"
        if mesh.is_file() and link not in SMALL:
            for capsule in _around(mesh):
                a, b, radius = capsule.a.round(4).tolist(), capsule.b.round(4).tolist(), max(capsule.radius - FORGIVEN_M, 0.004)
                lines.append(f'  {{ link = "{link}", a = {a}, b = {b}, radius = {radius:.4f} }},')
    lines.append("]")
    (package / "g1.toml").write_text("\n".join(lines) + "\n")
    return Robot.load(package / "g1.toml")


def _around(mesh: Path) -> list[Capsule]:
    """Return capsules around the hull of a mesh, which is what the judge sees of it: one, or more where they are a fifth smaller."""
    corners = np.array([line.split()[1:4] for line in mesh.read_text().splitlines() if line.startswith("v ")], dtype=np.float64)
    hull = ConvexHull(corners)
    triangles = corners[hull.simplices]
    share = np.linalg.norm(np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]), axis=1)
    rng = np.random.default_rng(0)
    chosen = triangles[rng.choice(len(triangles), SURFACE_POINTS, p=share / share.sum())]
    points = np.concatenate([corners[hull.vertices], np.einsum("ni,nij->nj", rng.dirichlet((1, 1, 1), SURFACE_POINTS), chosen)])
    axis = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)[2][0]
    along = points @ axis
    best: list[Capsule] = []
    for count in (1, 2, 3):
        edges = np.linspace(along.min() - 1e-3, along.max() + 1e-3, count + 1)
        slices = [points[(along >= low - 1e-3) & (along <= high + 1e-3)] for low, high in pairwise(edges)]
        found = [fit_capsule([Piece(part, np.zeros(len(part)), 0.5 * float(np.ptp(part, axis=0).min()))], polish=True) for part in slices]
        if not best or sum(c.volume for c in found) < 0.8 * sum(c.volume for c in best):
            best = found
    return best


def ours(package: Path, clip: Path, frames: int, folder: Path, *, stream: bool) -> Answer:
    """Read the clip as any file of named joints, and retarget it."""
    names = joint_names()
    fingers = {f"{s}_{f}{n}": f"{side}Hand{f}{n}" for s, side in (("L", "Left"), ("R", "Right")) for f in FINGERS for n in (1, 2, 3)}
    renamed = BODY | fingers
    rows = [i for i, name in enumerate(names) if name in renamed]
    path, listed = folder / f"{clip.stem}.npy", folder / f"{clip.stem}_joints.json"
    np.save(path, joints_of(clip)[:frames, rows])
    listed.write_text(json.dumps({"units": "m", "axes": "z up", "joint_names": [renamed[names[i]] for i in rows]}))
    motion = read_motion(path, rate_hz=RATE_HZ, names=listed).motion
    robot = load_g1(package)
    found = retarget(motion, robot, stream=stream)
    base = found.base_pose.copy()
    base[:, 2] -= make_targets(motion, robot).floor_m  # the judge's floor is at 0
    qpos = np.concatenate([base[:, [0, 1, 2, 6, 3, 4, 5]], found.positions], axis=1)
    return Answer(qpos, 1e3 / float((found.solver or {})["frames_per_second"]))


def omniretarget(package: Path, clip: Path, frames: int, given: argparse.Namespace) -> Answer | str:
    """Take a stored result, or run it; a sentence where neither can be."""
    if given.stored is not None:
        path = given.stored / f"{clip.stem}.npz"
        if not path.is_file():
            return f"{path} is not there"
        with np.load(path) as file:
            return Answer(file["qpos"][:frames, :36], float("nan"))
    answer = ask(given.peer_python, "OmniRetarget", package=str(package), clip=str(clip), frames=frames)
    if "problem" in answer:
        return str(answer["problem"])
    if given.keep is not None:
        given.keep.mkdir(parents=True, exist_ok=True)
        np.savez(given.keep / f"{clip.stem}.npz", qpos=answer["qpos"])
    return Answer(answer["qpos"], float(answer["seconds"]) / len(answer["qpos"]) * 1e3)


def judged(python: Path, package: Path, clip: Path, answer: Answer, robot: Robot, folder: Path) -> list[str]:
    """Return the judge's figures, how often a joint was faster than its limit, and the time."""
    result = folder / "result.npz"
    np.savez(result, qpos=answer.qpos, joint_names=np.array(robot.joint_names))
    command = [python, JUDGE, package / "models" / "g1" / "g1_29dof.xml", clip, f"it={result}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"the judge failed in {python}: {done.stderr.strip().splitlines()[-1]}")
    figures = []
    for pattern in FIGURES.values():
        value = re.search(pattern, done.stdout)
        figures.append(value.group(1) if value else "?")
    times = np.arange(len(answer.qpos)) / RATE_HZ
    fast = int((np.abs(finite_rates(times, answer.qpos[:, 7:])) > robot.velocity_limit * (1 + 1e-6)).sum())
    return [*figures, str(fast), f"{answer.ms:.1f}"]


def compare(package: Path, given: argparse.Namespace, folder: Path) -> Table:
    """Return the table."""
    table = Table(title="Unitree G1, 29 joints, OMOMO clips at 30 frames a second", title_justify="left")
    for heading in ("clip", "solver", *FIGURES, "too fast", "ms a frame"):
        table.add_column(heading, justify="left" if heading in ("clip", "solver") else "right")
    robot = load_g1(package)
    for name in CLIPS:
        clip = package / "demo_data" / "OMOMO_new" / f"{name}.pt"
        frames = min(given.frames or len(joints_of(clip)), len(joints_of(clip)))
        rows = {
            "bodydouble, stream": ours(package, clip, frames, folder, stream=True),
            "bodydouble, whole": ours(package, clip, frames, folder, stream=False),
            "OmniRetarget": omniretarget(package, clip, frames, given),
        }
        for solver, answer in rows.items():
            if isinstance(answer, str):
                table.add_row(name, solver, answer, *["-"] * (len(FIGURES) + 1))
            else:
                table.add_row(name, solver, *judged(given.peer_python, package, clip, answer, robot, folder))
    return table


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--peer-python", type=Path, required=True, help="interpreter of an environment with MuJoCo and torch, which the judge needs"
    )
    parser.add_argument("--wheel", type=Path, help="a copy of the wheel; else it is downloaded")
    parser.add_argument("--frames", type=int, default=0, help="only the first frames of each clip; 0: all")
    parser.add_argument("--stored", type=Path, help="folder with OmniRetarget's results, CLIP.npz with qpos")
    parser.add_argument("--keep", type=Path, help="folder to keep OmniRetarget's results in")
    given = parser.parse_args()
    if not JUDGE.is_file():
        raise SystemExit(f"{JUDGE} is not there: this benchmark needs the shared judges.")
    with tempfile.TemporaryDirectory() as folder:
        try:
            Console(width=230).print(compare(unpacked(given.wheel, Path(folder)), given, Path(folder)))
        except BodydoubleError as error:
            raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
