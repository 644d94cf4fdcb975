"""Other people's retargeters, run as they are in an environment of their own; the benchmarks beside this file start it.

    PEER_PYTHON tests/benchmarks/retargeting_peers.py JOB.npz ANSWER.npz

It needs numpy and the peer, nothing of ours; `ask` below is how the benchmarks call it. JOB holds `peer` (one of RUN below) and what that peer needs.
ANSWER holds joint positions under `positions` with their `joint_names`, and `seconds` of the loop alone (models loaded, first call made), or `problem`: one
sentence.
"""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}  # before numpy is imported

import numpy as np

Job = dict[str, Any]


def pink(job: Job) -> Job:
    """Step Pink's QP: position and orientation of frames, ranges and speeds kept, no collisions, no accelerations."""
    import pinocchio as pin
    from pink import Configuration, solve_ik
    from pink.tasks import FrameTask, RelativeFrameTask

    floating = bool(job["floating"])
    model = pin.buildModelFromUrdf(str(job["urdf"]), pin.JointModelFreeFlyer()) if floating else pin.buildModelFromUrdf(str(job["urdf"]))
    rows = [model.joints[model.getJointId(str(name))].idx_q for name in job["joint_names"]]
    q = pin.neutral(model)
    q[rows] = job["start"]
    if floating:
        q[:7] = job["start_base"]
    configuration = Configuration(model, model.createData(), q)
    tasks = []
    for link, root, place, turn in zip(job["links"], job["roots"], job["place_cost"], job["turn_cost"], strict=True):
        tasks.append(RelativeFrameTask(str(link), str(root), place, turn) if root else FrameTask(str(link), place, turn))
    targets = [[pin.SE3(T) for T in frame] for frame in job["targets"]]
    dt, steps = float(job["dt"]), int(job["steps"])
    found = np.empty((len(targets), model.nq))
    solve_ik(configuration, [_aimed(task, T) for task, T in zip(tasks, targets[0], strict=True)], dt, solver="daqp")
    began = time.perf_counter()
    for t, frame in enumerate(targets):
        for task, target in zip(tasks, frame, strict=True):
            _aimed(task, target)
        for _ in range(steps):
            velocity = solve_ik(configuration, tasks, dt / steps, solver="daqp", damping=1e-8, safety_break=False)
            configuration.integrate_inplace(velocity, dt / steps)
        found[t] = configuration.q
    seconds = time.perf_counter() - began
    base = found[:, :7] if floating else np.tile([0.0, 0, 0, 0, 0, 0, 1], (len(found), 1))
    return {"positions": found[:, rows], "base": base, "seconds": seconds, "version": importlib.metadata.version("pin-pink")}


def mink(job: Job) -> Job:
    """Step Mink's QP: the same tasks, ranges and speeds kept, no collisions, no accelerations."""
    import mink as peer
    import mujoco

    spec = mujoco.MjSpec.from_string(_without_meshes(str(job["urdf"])))
    spec.compiler.fusestatic = False
    if job["floating"]:
        next(iter(spec.worldbody.bodies)).add_freejoint()
    model = spec.compile()
    names = [str(name) for name in job["joint_names"]]
    rows = [int(model.jnt_qposadr[model.joint(name).id]) for name in names]
    q = np.zeros(model.nq)
    q[rows] = job["start"]
    if job["floating"]:
        q[:7] = job["start_base"][[0, 1, 2, 6, 3, 4, 5]]  # MuJoCo's quaternion is wxyz
    configuration = peer.Configuration(model, q)
    speeds = {name: float(limit) for name, limit in zip(names, job["velocity_limit"], strict=True)}
    limits = [peer.ConfigurationLimit(model), peer.VelocityLimit(model, speeds)]
    tasks = []
    for link, root, place, turn in zip(job["links"], job["roots"], job["place_cost"], job["turn_cost"], strict=True):
        if root:
            tasks.append(peer.RelativeFrameTask(str(link), "body", str(root), "body", place, turn))
        else:
            tasks.append(peer.FrameTask(str(link), "body", place, turn))
    targets = [[peer.SE3.from_matrix(T) for T in frame] for frame in job["targets"]]
    dt, steps = float(job["dt"]), int(job["steps"])
    found = np.empty((len(targets), model.nq))
    peer.solve_ik(configuration, [_aimed(task, T) for task, T in zip(tasks, targets[0], strict=True)], dt, "daqp", limits=limits)
    began = time.perf_counter()
    for t, frame in enumerate(targets):
        for task, target in zip(tasks, frame, strict=True):
            _aimed(task, target)
        for _ in range(steps):
            velocity = peer.solve_ik(configuration, tasks, dt / steps, "daqp", damping=1e-8, limits=limits)
            configuration.integrate_inplace(velocity, dt / steps)
        found[t] = configuration.q
    seconds = time.perf_counter() - began
    moved = bool(np.ptp(found[:, rows], axis=0).max() > 1e-3)  # with some versions of MuJoCo it silently holds every joint still
    base = found[:, [0, 1, 2, 4, 5, 6, 3]] if job["floating"] else np.tile([0.0, 0, 0, 0, 0, 0, 1], (len(found), 1))
    problem = {} if moved else {"problem": f"no joint moved with MuJoCo {mujoco.__version__}; try MuJoCo 3"}
    return {"positions": found[:, rows], "base": base, "seconds": seconds, "version": importlib.metadata.version("mink")} | problem


def dex_retargeting(job: Job) -> Job:
    """Retarget hand vectors with dex-retargeting's own Shadow configuration, its filter as configured or off."""
    import torch

    torch.set_num_threads(1)
    import dex_retargeting as package
    from dex_retargeting.retargeting_config import RetargetingConfig

    RetargetingConfig.set_default_urdf_dir(str(_shadow_urdf().parents[1]))
    config = Path(package.__file__).parent / "configs" / "teleop" / "shadow_hand_right.yml"
    solver = RetargetingConfig.load_from_file(config, override=_filter(job)).build()
    solver.retarget(job["vectors"][0].astype(np.float32))
    solver = RetargetingConfig.load_from_file(config, override=_filter(job)).build()
    vectors = job["vectors"].astype(np.float32)
    began = time.perf_counter()
    positions = np.array([solver.retarget(frame) for frame in vectors])
    seconds = time.perf_counter() - began
    version = importlib.metadata.version("dex-retargeting")
    return {"positions": positions, "joint_names": solver.joint_names, "seconds": seconds, "version": version}


def dexi_rs(job: Job) -> Job:
    """Retarget hand vectors with dexi-rs; its configuration is dex-retargeting's."""
    import dexi_rs as peer

    fingers = ("th", "ff", "mf", "rf", "lf")
    solver = peer.RetargetingConfig(
        "vector", str(_shadow_urdf()), target_link_human_indices=[[0] * 10, [4, 8, 12, 16, 20, 2, 6, 10, 14, 18]],
        target_origin_link_names=["palm"] * 10, target_task_link_names=[f + part for part in ("tip", "middle") for f in fingers],
        scaling_factor=1.2, **({"low_pass_alpha": 0.2} | _filter(job)),
    ).build()  # fmt: skip
    frames = [frame.ravel().tolist() for frame in job["vectors"]]
    solver.retarget(frames[0])
    solver.reset()
    began = time.perf_counter()
    positions = np.array([solver.retarget(frame) for frame in frames])
    seconds = time.perf_counter() - began
    return {
        "positions": positions,
        "joint_names": list(solver.joint_names),
        "seconds": seconds,
        "version": importlib.metadata.version("dexi-rs"),
    }


def omniretarget(job: Job) -> Job:
    """Retarget one OMOMO clip to the G1 as the script in the holosoma-retargeting package does, task type `robot_only`."""
    import torch

    package, clip = Path(str(job["package"])), Path(str(job["clip"]))  # .../holosoma_retargeting and a clip of its demo_data
    sys.path.insert(0, str(package.parent))
    os.chdir(package)  # its files name each other from there
    from holosoma_retargeting.config_types.retargeting import RetargetingConfig
    from holosoma_retargeting.examples import robot_retarget

    seconds = []
    its_own = robot_retarget.InteractionMeshRetargeter.retarget_motion

    def timed(*args: Any, **named: Any) -> Any:
        began = time.perf_counter()
        result = its_own(*args, **named)
        seconds.append(time.perf_counter() - began)
        return result

    robot_retarget.InteractionMeshRetargeter.retarget_motion = timed
    with tempfile.TemporaryDirectory() as folder:
        torch.save(torch.load(clip, map_location="cpu")[: int(job["frames"])].detach().clone(), Path(folder) / clip.name)
        robot_retarget.main(
            RetargetingConfig(
                task_type="robot_only", task_name=clip.stem, data_path=Path(folder), data_format="smplh", save_dir=Path(folder)
            )
        )
        with np.load(Path(folder) / f"{clip.stem}.npz") as result:
            qpos = result["qpos"][:, :36]
    return {"qpos": qpos, "seconds": seconds[0], "version": f"{package.name} 0.1.0"}


RUN: dict[str, Callable[[Job], Job]] = {
    "Pink": pink,
    "Mink": mink,
    "dex-retargeting": dex_retargeting,
    "dexi-rs": dexi_rs,
    "OmniRetarget": omniretarget,
}


def _aimed(task: Any, target: Any) -> Any:
    task.set_target(target)
    return task


def _filter(job: Job) -> dict[str, float]:
    """dex-retargeting smooths its joint angles with alpha 0.2; 1 is no filter."""
    return {} if job["delivered"] else {"low_pass_alpha": 1.0}


def _shadow_urdf() -> Path:
    """dexi-rs carries dex-urdf's hands, dex-retargeting itself none."""
    import dexi_rs as peer

    return Path(peer.asset_path("robots/hands/shadow_hand/shadow_hand_right.urdf"))


def _without_meshes(urdf: str) -> str:
    """Return the URDF's text without what is only seen or hit: MuJoCo wants every mesh file."""
    from xml.etree import ElementTree

    root = ElementTree.parse(urdf).getroot()
    for link in root.iter("link"):
        for part in [*link.findall("visual"), *link.findall("collision")]:
            link.remove(part)
        if link.find("inertial") is None:  # MuJoCo wants a mass of all that moves
            inertial = ElementTree.SubElement(link, "inertial")
            ElementTree.SubElement(inertial, "mass", value="1e-6")
            ElementTree.SubElement(inertial, "inertia", ixx="1e-9", iyy="1e-9", izz="1e-9", ixy="0", ixz="0", iyz="0")
    return ElementTree.tostring(root, encoding="unicode")


def ask(python: Path, peer: str, patience_s: float = 1800.0, **job: Any) -> Job:
    """Run ``peer`` with another interpreter and return its answer; where there is none, `problem` says why."""
    with tempfile.TemporaryDirectory() as folder:
        question, answer = Path(folder) / "job.npz", Path(folder) / "answer.npz"
        np.savez(question, peer=peer, **job)
        try:
            done = subprocess.run([python, __file__, question, answer], capture_output=True, text=True, timeout=patience_s, check=False)
        except OSError as error:
            return {"problem": f"{python} cannot be started: {error.strerror}"}
        except subprocess.TimeoutExpired:
            return {"problem": f"not done after {patience_s:.0f} s"}
        if not answer.exists():
            return {"problem": f"died: {(done.stderr.strip().splitlines() or ['no message'])[-1][:160]}"}
        with np.load(answer) as file:
            return {name: file[name] for name in file.files}


def main() -> None:
    """Do one job."""
    with np.load(sys.argv[1]) as file:
        job = {name: file[name] for name in file.files}
    try:
        answer = RUN[str(job["peer"])](job)
    except ImportError as missing:
        answer = {"problem": f"not in this environment: {missing}"}
    except Exception as error:  # a peer may fail in any way; that is a result too
        answer = {"problem": f"failed: {(str(error).strip().splitlines() or [type(error).__name__])[0][:160]}"}
    np.savez(sys.argv[2], **answer)


if __name__ == "__main__":
    main()
