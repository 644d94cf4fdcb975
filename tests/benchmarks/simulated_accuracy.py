"""How near the estimator comes to the truth, beside plain triangulation: recordings of simulated people, each simulated and evaluated.

    python tests/benchmarks/simulated_accuracy.py [FOLDER] [--seconds S] [--size WxH] [--tasks table,carry,shelf] [--seeds 1,2]

Recordings stay in FOLDER (by default build/simulated) and are not made again. Minutes for each on two cores.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

COLUMNS = {
    "mkpe_mm": "hands mm", "mkpe_baseline_mm": "baseline mm", "lost_track_ratio": "lost", "side_errors": "side errors", "wrist_mm": "wrist mm",
    "wrist_seen_mm": "wrist seen mm", "elbow_mm": "elbow mm", "elbow_observed_mm": "elbow observed mm", "legs_inferred_mm": "legs inferred mm",
    "body_mpjpe_observed_mm": "body observed mm", "body_mpjpe_inferred_mm": "body inferred mm",
    "accel_error": "accel. m/s^2", "accel_error_baseline": "baseline m/s^2", "covariance_95_coverage": "in 95 %",
}  # fmt: skip


def run(*arguments: str) -> str:
    """Run a bodydouble command and return what it printed."""
    done = subprocess.run([sys.executable, "-m", "bodydouble", *arguments], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"bodydouble {' '.join(arguments)} ended with {done.returncode}")
    return done.stdout


def main() -> None:
    """Simulate, evaluate, print one line a recording and the means."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("build/simulated"))
    parser.add_argument("--rig", default="optimus-helmet5")
    parser.add_argument("--tasks", default="table,carry,shelf")
    parser.add_argument("--seeds", default="1,2")
    parser.add_argument("--seconds", default="10")
    parser.add_argument("--size", default="800x600")
    parser.add_argument("--room-cameras", default="0")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, float | None]] = []
    print("simulated | " + " | ".join(COLUMNS.values()))
    for task in given.tasks.split(","):
        for seed in given.seeds.split(","):
            name = f"{given.rig}-{task}-{seed}-{given.seconds}s-{given.size}" + (
                f"-room{given.room_cameras}" if given.room_cameras != "0" else ""
            )
            out = given.folder / name
            if not out.exists():
                run(
                    "simulate", "--rig", given.rig, "--task", task, "--seconds", given.seconds, "--seed", seed, "--size", given.size,
                    "--room-cameras", given.room_cameras, "-o", str(out),
                )  # fmt: skip
            rows.append(json.loads(run("evaluate", str(out), "--json")))
            print(f"{task}, person {seed} | " + " | ".join(_text(rows[-1][key]) for key in COLUMNS), flush=True)
    means = {key: [value for row in rows if (value := row[key]) is not None] for key in COLUMNS}
    print("mean | " + " | ".join(_text(sum(values) / len(values) if values else None) for values in means.values()))


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


if __name__ == "__main__":
    main()
