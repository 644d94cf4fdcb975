"""The Shadow hand on 621 real hand poses, beside dex-retargeting and dexi-rs, all on the objective of dex-retargeting's own configuration; prints one table.

    .venv/bin/python tests/benchmarks/retargeting_shadow.py [--data ../shared/data] [--peer-python ~/peers/bin/python] [--optimum 16]

Residual: mean over frames and the ten vectors of the distance between the hand's vector and the person's, 1.2 times as long; raw is what the optimiser found,
delivered what the peers hand out, after their low-pass filter. Jerk: mean absolute third difference of the 24 joint angles, rad/frame^3. Fastest: the greatest
joint speed at 30 frames a second. Times are wall times of the loop, one thread, after warm-up: use the ratios. `--optimum N` adds the multi-start
optimum of every N-th frame (4 s a frame), the floor under every residual.

The peers need an environment of their own: `python -m venv ~/peers && ~/peers/bin/pip install dexi-rs==0.4.1 dex-retargeting==0.5.0 torch==2.13.0 six`.
Shadow's model comes from the shared data, dex-urdf's from the dexi-rs wheel; their vectors differ by 0.1 mm at the little finger and nowhere else.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from retargeting_peers import ask
from retargeting_shadow_objective import (
    LANDMARKS,
    PREFIX,
    Shadow,
    distances,
    finger_scales,
    load_shadow,
    optimum,
    targets_of,
    wanted_vectors,
)
from rich.console import Console
from rich.table import Table

from bodydouble.errors import BodydoubleError
from bodydouble.retarget.retargeting import follow
from bodydouble.retarget.whole_trajectory import WholeSettings

FloatArray = npt.NDArray[np.float64]

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
RATE_HZ = 30.0


@dataclass(frozen=True)
class Answer:
    """Joint positions of one contestant, in the robot's order."""

    positions: FloatArray
    ms: float
    """A frame."""


def ours(shadow: Shadow, vectors: FloatArray, *, stream: bool, smoothing_hz: float, rounds: int) -> Answer:
    """Solve the squares first, then again with Huber's weights of what was left, ``rounds`` times in all; every round's time counts."""
    times = np.arange(len(vectors)) / RATE_HZ
    left, seconds, positions = None, 0.0, np.empty(0)
    for _ in range(rounds):
        found = follow(
            targets_of(shadow, vectors, left), shadow.robot, times, stream=stream, whole=WholeSettings(smoothing_hz=smoothing_hz)
        )  # fmt: skip
        seconds += len(times) / float((found.solver or {})["frames_per_second"])
        positions = found.positions
        left = distances(shadow, positions, vectors)
    return Answer(positions, seconds / len(times) * 1e3)


def peer(name: str, python: Path, shadow: Shadow, hand: FloatArray, *, delivered: bool) -> Answer | str:
    """Have a peer do it; a sentence where it cannot."""
    apart = (hand[:, LANDMARKS] - hand[:, :1]).astype(np.float32)
    answer = ask(python, name, vectors=apart, delivered=delivered)
    if "problem" in answer:
        return str(answer["problem"])
    theirs = [PREFIX + str(joint) for joint in answer["joint_names"]]
    rows = [theirs.index(joint) for joint in shadow.robot.joint_names]
    return Answer(answer["positions"][:, rows], float(answer["seconds"]) / len(hand) * 1e3)


def compare(shadow: Shadow, alone: Shadow, hand: FloatArray, given: argparse.Namespace) -> Table:
    """Return the table; ``alone`` is the same hand that may hit itself, as the peers' may."""
    vectors, scales = wanted_vectors(hand), finger_scales(shadow, hand)
    own = wanted_vectors(hand, scales)
    settings = {"smoothing_hz": given.smoothing_hz, "rounds": given.rounds}
    rows: list[tuple[str, Answer | str, FloatArray]] = [
        ("bodydouble, stream", ours(shadow, vectors, stream=True, **settings), vectors),
        ("bodydouble, whole trajectory", ours(shadow, vectors, stream=False, **settings), vectors),
        ("bodydouble, whole, may hit itself as the peers may", ours(alone, vectors, stream=False, **settings), vectors),
        ("bodydouble, whole, each finger to its own scale", ours(shadow, own, stream=False, **settings), own),
    ]
    for name in ("dex-retargeting", "dexi-rs"):
        for delivered in (False, True):
            if given.peer_python is None:
                answer: Answer | str = "left out: no --peer-python"
            else:
                answer = peer(name, given.peer_python, shadow, hand, delivered=delivered)
            rows.append((f"{name}, {'delivered' if delivered else 'raw'}", answer, vectors))
    if given.optimum:
        some = vectors[:: given.optimum]
        rows.append((f"optimum of every {given.optimum}th frame", Answer(optimum(shadow, some, starts=6), np.nan), some))
    table = Table(title=f"Shadow hand, {len(hand)} poses, {len(shadow.robot.joint_names)} joints, ten vectors", title_justify="left")
    for heading in ("solver", "residual mm", "p95 mm", "jerk rad/frame^3", "fastest rad/s", "out of range", "ms a frame"):
        table.add_column(heading, justify="left" if heading == "solver" else "right")
    for name, answer, wanted in rows:
        if isinstance(answer, str):
            table.add_row(name, answer, *["-"] * 5)
            continue
        q, robot = answer.positions, shadow.robot
        residual = distances(shadow, q, wanted).mean(axis=1) * 1e3
        outside = int(((q < robot.lower - 1e-6) | (q > robot.upper + 1e-6)).sum())
        whole = len(q) == len(hand)
        jerk, fastest = np.abs(np.diff(q, 3, axis=0)).mean(), np.abs(np.diff(q, axis=0)).max() * RATE_HZ
        moving = (f"{jerk:.4f}", f"{fastest:.1f}", f"{outside}", f"{answer.ms:.2f}") if whole else ("-", "-", f"{outside}", "-")
        table.add_row(name, f"{residual.mean():.2f}", f"{np.percentile(residual, 95):.2f}", *moving)
    return table


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, default=DATA, help="folder with hands/dexretarget_hand_joints.npy and robots/shadow_e3m5_right_kin.xml"
    )
    parser.add_argument("--peer-python", type=Path, help="interpreter of an environment with the peers")
    parser.add_argument(
        "--smoothing-hz", type=float, default=2.5, help="of our whole trajectory: what makes it as calm as the peers' filter"
    )
    parser.add_argument("--rounds", type=int, default=1, help="of ours: the first weighs squares, later ones as Huber does")
    parser.add_argument("--optimum", type=int, default=0, metavar="N", help="also the multi-start optimum of every N-th frame; 0: not")
    given = parser.parse_args()
    motion, model = given.data / "hands" / "dexretarget_hand_joints.npy", given.data / "robots" / "shadow_e3m5_right_kin.xml"
    for path in (motion, model):
        if not path.is_file():
            raise SystemExit(f"{path} is not there; --data says where the shared data are.")
    with tempfile.TemporaryDirectory() as folder:
        try:
            shadow, alone = load_shadow(model, Path(folder)), load_shadow(model, Path(folder), apart=False)
            Console(width=180).print(compare(shadow, alone, np.load(motion).astype(np.float64), given))
        except BodydoubleError as error:
            raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
