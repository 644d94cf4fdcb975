"""A person who does not exist, filmed by a helmet that does not either: make a recording whose truth is known, estimate it, and see how far off.

    python examples/04_simulate_and_evaluate.py [RECORDING] [FRAMES]

Makes two seconds of somebody at a table in RECORDING (by default build/simulated_table) unless they are there; needs `pip install
'bodydouble[simulate]'`. Every number it prints is simulated: it tells which of two estimators is better, not how good one is on real footage.
"""

import sys
from pathlib import Path

import numpy as np

from bodydouble.calibration import preset_rig
from bodydouble.capture import Recording
from bodydouble.datasets.pipeline import ProcessSettings, fit, prepare
from bodydouble.hand_pose.evaluation import hands_to_find
from bodydouble.hand_pose.metrics import hand_errors
from bodydouble.hand_pose.simulation.settings import SimulationSettings
from bodydouble.hand_pose.simulation.simulation import simulate
from bodydouble.hand_pose.simulation.truth import Truth


def main(folder: Path, frames: int | None) -> None:
    if not folder.exists():
        simulate(SimulationSettings(preset_rig("optimus-helmet5"), "table", 2.0, seed=1, size=(800, 600)), folder)
    truth = Truth.load(folder / "truth.h5")
    person = truth.settings["person"]
    print(f"simulated person of {person['stature_m']:.2f} m, {len(truth.times_s)} moments, cameras {', '.join(truth.cameras)}")

    settings = ProcessSettings(stop=frames)
    prepared = prepare(Recording.open(folder), settings)
    motion = fit(prepared, settings)

    true_points = truth.landmarks_at(motion.times_s)
    eyes = true_points[:, [2, 5]].mean(axis=1)
    helmet = truth.T_world_body[: len(eyes), truth.body_names.index("helmet"), :3, 3]
    print(f"the helmet sits {1e3 * np.linalg.norm(helmet - eyes, axis=1).mean():.0f} mm from between the eyes")

    counted = hands_to_find(truth, prepared.landmarks.cameras, prepared.frame_sets.frame_index)
    hands = hand_errors(motion.landmarks, true_points, counted)
    print(f"hands, where two cameras see them: {1e3 * hands.mkpe:.1f} mm from the truth, {100 * hands.lost_track_ratio:.0f} % lost")
    for name, row in {"right elbow": 14, "right hip": 24}.items():
        error_mm = 1e3 * np.linalg.norm(motion.landmarks[:, row] - true_points[:, row], axis=-1).mean()
        print(f"{name}: {error_mm:.0f} mm")


if __name__ == "__main__":
    given = sys.argv[1:]
    main(Path(given[0] if given else "build/simulated_table"), int(given[1]) if len(given) > 1 else None)
