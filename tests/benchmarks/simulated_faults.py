"""What each fault of a simulated recording does to the measures: the same two seconds at a table, sound and with every fault in turn.

    python tests/benchmarks/simulated_faults.py [FOLDER] [--seed N] [--size WxH]

Recordings stay in FOLDER (by default build/simulated_faults) and are not made again. About two minutes for each on two cores.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

from simulated_accuracy import run

from bodydouble.hand_pose.simulation.faults import FAULTS


def figures(found: dict[str, Any]) -> dict[str, float]:
    """Return the measures that are compared; leave-one-out as the worst camera's, and how many hand-frames there were to find."""
    worst = [camera["p90"] for camera in found["leave_one_out_hands_px"].values() if camera["p90"] is not None]
    picked = {key: found[key] for key in ("mkpe_mm", "lost_track_ratio", "accel_error", "covariance_95_coverage", "hand_frames")}
    picked |= {"mkpe_baseline_mm": found["mkpe_baseline_mm"], "leave_one_out_hands_worst_p90_px": max(worst, default=None)}
    picked["missing_frames"] = sum(found["missing_frames"].values())
    for key in ("clock_ms", "position_mm", "rotation_deg"):
        picked[f"camera_{key}"] = max(error[key] for error in found["camera_errors"].values() if error[key] is not None)
    return {key: math.nan if value is None else float(value) for key, value in picked.items()}


def main() -> None:
    """Simulate and evaluate each, and print the measures side by side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("build/simulated_faults"))
    parser.add_argument("--seed", default="2")
    parser.add_argument("--size", default="800x600")
    parser.add_argument("--camera", default="left_down", help="the one that is faulty")
    parser.add_argument(
        "--evaluate", default="", help="options for evaluate, such as '--start 30 --stop 42': the middle, in a tenth of the time"
    )
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    sound: dict[str, float] = {}
    for fault in ("none", *FAULTS):
        out = given.folder / f"table-{given.seed}-{given.size}-{fault}"
        if not out.exists():
            asked = [] if fault == "none" else ["--fault", fault if fault == "gloves" else f"{fault}={given.camera}"]
            run("simulate", "--task", "table", "--seconds", "2", "--seed", given.seed, "--size", given.size, *asked, "-o", str(out))
        found = figures(json.loads(run("evaluate", str(out), *given.evaluate.split(), "--json")))
        sound = sound or found
        print(f"simulated, fault {fault}:", flush=True)
        for key, value in found.items():
            change = "" if fault == "none" else f"  ({100 * (value / sound[key] - 1):+.0f} %)" if sound[key] > 1e-6 else f"  ({value:+.3g})"
            print(f"    {key:<34} {value:9.3f}{change}", flush=True)


if __name__ == "__main__":
    main()
