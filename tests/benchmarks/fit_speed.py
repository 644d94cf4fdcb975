"""How fast the fit alone is on one core, and how its time grows with frames and cameras; a simulated person, exact cameras, 2 px of noise.

    .venv/bin/python tests/benchmarks/fit_speed.py [--frames 60,120,240,480] [--cameras 2,4,8] [--repeat 2]

Whole body and both hands, 75 landmarks in every view. Times are processor seconds of ``estimate``, so that a busy machine changes them little; the least
of the repeats counts. ``estimate`` itself keeps BLAS to one thread.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bodydouble.hand_pose.estimation import estimate
from bodydouble.hand_pose.human import Human

if TYPE_CHECKING:
    from conftest import Simulated

sys.path.insert(0, str(Path(__file__).parents[1] / "hand_pose"))  # the simulated person of the tests


def seconds(person: Simulated, repeat: int) -> float:
    """Return the least processor time of ``estimate`` in s."""
    least = float("inf")
    for _ in range(repeat):
        began = time.process_time()
        estimate(person.landmarks, person.rig)
        least = min(least, time.process_time() - began)
    return least


def exponent(sizes: list[int], times: list[float]) -> float:
    """Return b of the best time = a size^b."""
    return float(np.polyfit(np.log(sizes), np.log(times), 1)[0])


def main() -> None:
    """Print frames a second, the table, and the exponents."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", default="60,120,240,480")
    parser.add_argument("--cameras", default="2,4,8")
    parser.add_argument("--repeat", type=int, default=2)
    given = parser.parse_args()
    from conftest import simulate

    frames, cameras = ([int(word) for word in text.split(",")] for text in (given.frames, given.cameras))
    table = np.full((len(cameras), len(frames)), np.nan)
    print("simulated; processor seconds | " + " | ".join(f"{count} frames" for count in frames) + " | exponent")
    for row, count in enumerate(cameras):
        azimuths = tuple(float(a) for a in 35.0 + np.arange(count) * 360.0 / count)
        for column, length in enumerate(frames):
            table[row, column] = seconds(simulate(frames=length, azimuths_deg=azimuths), given.repeat)
        print(
            f"{count} cameras | " + " | ".join(f"{t:.2f}" for t in table[row]) + f" | {exponent(frames, list(table[row])):.2f}", flush=True
        )
    if len(cameras) > 1:
        print("exponent | " + " | ".join(f"{exponent(cameras, list(table[:, column])):.2f}" for column in range(len(frames))) + " |")
    nv = Human(np.ones(len(simulate(frames=1).human.lengths))).nv
    middle = cameras.index(4) if 4 in cameras else 0
    print(f"{cameras[middle]} cameras, {nv} degrees of freedom: {frames[-1] / table[middle, -1]:.0f} frames/s on one core")


if __name__ == "__main__":
    main()
