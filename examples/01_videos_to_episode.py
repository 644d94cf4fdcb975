"""Four synchronised videos and their calibration become a training episode.

    python examples/01_videos_to_episode.py [FOLDER] [FRAMES]

Writes FOLDER/recording and FOLDER/episode.h5. The videos are Pose2Sim's sample (BSD-3-Clause), fetched once into the user's cache. What
`bodydouble import` and `bodydouble process` do, with your own code in between.
"""

import sys
from pathlib import Path

from bodydouble import assets
from bodydouble.calibration import read_qualisys
from bodydouble.capture import import_videos
from bodydouble.datasets.pipeline import ProcessSettings, process


def main(folder: Path, frames: int | None) -> None:
    sample = assets.path_of("pose2sim_single")
    videos = sorted((sample / "videos").glob("*.mp4"))

    # A recording is a folder: one video a camera, the true time of every frame, recording.toml. Two of these videos lack the right 8 px of the
    # image that was calibrated; saying where their first pixel lies is all that is needed.
    recording = import_videos(
        videos,
        folder / "recording",
        crops={"cam01": (0, 0), "cam02": (0, 0)},
        task="balance on one leg and swing arms and legs",
        force=True,
    )

    # A rig is the cameras' models and where each is mounted. Its file lies in the recording, or is given in ProcessSettings(rig=...).
    rig = read_qualisys(sample / "calibration" / "Calib.qca.txt").select(recording.cameras)
    rig.save(recording.folder / "rig.toml")
    for camera in rig.cameras.values():
        x, y, z = camera.T_body_camera[:3, 3]
        print(f"{camera.name} stands at {x:.2f}, {y:.2f}, {z:.2f} m, focal length {camera.model.focal[0]:.0f} px")

    # Every stage is kept by the content of its inputs: the second run of this script takes seconds.
    episode = process(recording, folder / "episode.h5", ProcessSettings(robot="optimus", stop=frames), force=True)

    print(f"\n{episode.frames} frames, {len(episode.trajectory.joint_names)} joints, grade {episode.grade}")
    print(f"the person is {episode.motion.stature:.2f} m tall, the forearm {episode.motion.bone_lengths['forearm']:.3f} m long")
    for name, gate in episode.quality.items():
        print(f"{gate.verdict:<5} {name} = {gate.value:.4g} {gate.unit}  {gate.remedy}".rstrip())
    print(f"\nwrote {folder / 'episode.h5'}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo/example"), int(sys.argv[2]) if len(sys.argv) > 2 else None)
