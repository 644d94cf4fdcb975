"""What a training script reads from an episode: robot motion, images at the same instant, and what not to trust.

    python examples/02_read_an_episode.py [EPISODE]

Units are SI (rad, rad/s, m, s); the world is x forward, y left, z up. A missing value is NaN, never 0.
"""

import sys
from pathlib import Path

import numpy as np

from bodydouble.datasets import read_episode
from bodydouble.hand_pose import Source


def main(path: Path) -> None:
    episode = read_episode(path)
    robot, person = episode.trajectory, episode.motion
    print(f"task: {episode.task!r}, grade {episode.grade}, {episode.frames} frames over {episode.duration_s:.3f} s")

    # The actions: positions (T, 78) at true times, which need not be evenly spaced.
    print(f"positions {robot.positions.shape} rad, times {robot.times_s[0]:.3f} to {robot.times_s[-1]:.3f} s")
    for group, names in robot.joint_groups.items():
        columns = [robot.joint_names.index(name) for name in names]
        moved = np.degrees(np.nanmax(np.ptp(robot.positions[:, columns], axis=0)))
        print(f"  {group:<10} {len(names):>2} joints, the busiest moved {moved:.1f} degrees")

    # What was measured at that instant, and what was filled in: train on the first, or weigh the second down.
    measured = robot.joint_source == Source.OBSERVED
    print(f"{measured.mean():.0%} of the joint values were observed, {(robot.joint_source == Source.INFERRED).mean():.0%} inferred")
    usable = np.ones(episode.frames, dtype=bool)
    for name, flag in {**person.flags, **robot.flags}.items():
        usable &= np.asarray(flag) != 1
        print(f"  {int(np.sum(np.asarray(flag) == 1))} frames are flagged {name}")
    print(f"{usable.sum()} of {episode.frames} frames have no flag")

    # The person in the same frame of reference as the robot, and every bone constant.
    wrist = person.landmark("right_wrist")
    print(f"the right wrist went {np.nansum(np.linalg.norm(np.diff(wrist, axis=0), axis=1)):.3f} m")

    # Images are decoded when they are asked for; frame t is the same instant everywhere. None means that the camera dropped this one.
    for camera in episode.cameras:
        image = episode.image(camera, 0)
        print(f"{camera}: no image" if image is None else f"{camera}: RGB {image.shape}, mean brightness {image.mean():.0f}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo/episode.h5"))
