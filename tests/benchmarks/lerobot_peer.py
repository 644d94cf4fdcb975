"""LeRobot's own writer and reader, run as they are in the environment of ``make judges``; ``export_against_lerobot.py`` beside this file starts it.

    .judges/bin/python tests/benchmarks/lerobot_peer.py JOB.json ANSWER.json

It needs numpy and LeRobot, nothing of ours. JOB says what to do ("write" or "read") and where the frames lie; ANSWER holds what it took. `ask`, `Meter` and
`Frames` are used by both sides, so that they measure the same in the same way.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

Job = dict[str, Any]

COMPAT = Path(__file__).resolve().parents[3] / "shared" / "judges"
"""Lets LeRobot be imported on Python 3.11 and without a GPU."""


def ask(python: Path | str, script: Path, job: Job) -> Job:
    """Run ``script`` with a job in a process of its own and return its answer; its warnings and progress bars are kept for an error."""
    with tempfile.TemporaryDirectory() as folder:
        question, answer = Path(folder, "job.json"), Path(folder, "answer.json")
        question.write_text(json.dumps(job))
        environment = {**os.environ, "PYTHONPATH": str(COMPAT), "PYTHONWARNINGS": "ignore", "SVT_LOG": "1"}
        done = subprocess.run(
            [python, "-P", script, question, answer], capture_output=True, text=True, check=False, cwd=folder, env=environment
        )
        if not answer.exists():
            raise RuntimeError(done.stderr[-3000:])
        return json.loads(answer.read_text())


class Meter:
    """Wall and processor time of what happens inside ``with``, of this process and the children it waited for."""

    def __enter__(self) -> Meter:
        self.began, self.cpu_began = time.perf_counter(), self._cpu()
        return self

    def __exit__(self, *error: object) -> None:
        self.wall_s, self.cpu_s = time.perf_counter() - self.began, self._cpu() - self.cpu_began

    @staticmethod
    def _cpu() -> float:
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(item.ru_utime + item.ru_stime for item in used)

    @staticmethod
    def peak_mb() -> float:
        """Return the most memory that the largest process held, in 10^6 bytes."""
        return max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) * 1024 / 1e6


class Frames:
    """Raw RGB frames on disk, one file a camera and episode, and the robot's numbers."""

    def __init__(self, job: Job) -> None:
        self.folder, self.cameras, self.count = Path(job["frames"]), job["cameras"], job["count"]
        self.episodes, self.shape = job["episodes"], (job["size"][1], job["size"][0], 3)

    def path(self, episode: int, camera: str) -> Path:
        """Return the file of one camera in one episode."""
        return self.folder / f"{episode}_{camera}.rgb"

    def images(self, episode: int, camera: str) -> Iterator[np.ndarray]:
        """Give the images in their order, one in memory at a time."""
        with self.path(episode, camera).open("rb") as file:
            for _ in range(self.count):
                yield np.frombuffer(file.read(int(np.prod(self.shape))), np.uint8).reshape(self.shape)

    def image(self, episode: int, camera: str, frame: int) -> np.ndarray:
        """Return one image."""
        size = int(np.prod(self.shape))
        return np.fromfile(self.path(episode, camera), np.uint8, size, offset=size * frame).reshape(self.shape)

    def state(self, episode: int) -> np.ndarray:
        """Return the state of every frame (N, D) float32."""
        return np.load(self.folder / f"{episode}_state.npy")


def median_s(read_step: Callable[[int], Any], steps: list[int]) -> float:
    """Return the median wall time of reading one step, which other load on the machine moves less than the mean."""
    taken = []
    for step in steps:
        began = time.perf_counter()
        read_step(step)
        taken.append(time.perf_counter() - began)
    return float(np.median(taken))


def psnr_db(image: np.ndarray, truth: np.ndarray) -> float:
    """Return the peak signal-to-noise ratio of an image against another."""
    return float(10 * np.log10(255**2 / max(1e-9, np.mean((image.astype(np.float64) - truth) ** 2))))


def steps_of(job: Job) -> tuple[list[int], list[int], list[int]]:
    """Return which steps to read at random, in order, and to compare."""
    rng = np.random.default_rng(7)
    total = job["episodes"] * job["count"]
    return rng.integers(0, total, job["random"]).tolist(), list(range(min(total, job["in_order"]))), rng.integers(0, total, 12).tolist()


def write(job: Job) -> Job:
    """Record the frames with LeRobot: its default (PNG files, then AV1), or streamed to H.264 as they come."""
    from lerobot.configs import RGBEncoderConfig
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    frames = Frames(job)
    joints = frames.state(0).shape[1]
    names = [f"joint_{number}" for number in range(joints)]
    vector = {"dtype": "float32", "shape": (joints,), "names": names}
    image = {"dtype": "video", "shape": frames.shape, "names": ["height", "width", "channels"]}
    streaming: dict[str, Any] = {}
    if job["streaming"]:  # with a shorter queue it drops frames when it cannot keep up
        streaming = {
            "streaming_encoding": True,
            "encoder_queue_maxsize": frames.count,
            "rgb_encoder": RGBEncoderConfig(vcodec=job["codec"]),
        }
    with Meter() as meter:
        dataset = LeRobotDataset.create(
            repo_id="local/peer", root=job["out"], fps=job["rate_hz"], robot_type="swinger", image_writer_threads=4 * len(frames.cameras),
            features={
                "observation.state": vector, "action": dict(vector), **{f"observation.images.{name}": dict(image) for name in frames.cameras}
            }, **streaming,
        )  # fmt: skip
        for episode in range(frames.episodes):
            state = frames.state(episode)
            for step, images in enumerate(zip(*(frames.images(episode, name) for name in frames.cameras), strict=True)):
                frame = {f"observation.images.{name}": image for name, image in zip(frames.cameras, images, strict=True)}
                dataset.add_frame({**frame, "observation.state": state[step], "action": state[step], "task": f"swing {episode}"})
            dataset.save_episode()
        dataset.finalize()
    return {"cpu_s": meter.cpu_s, "wall_s": meter.wall_s, "peak_mb": meter.peak_mb()}


def read(job: Job) -> Job:
    """Read single steps with LeRobot's reader: all cameras, and all other columns."""
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    frames = Frames(job)
    dataset = LeRobotDataset("local/peer", root=job["out"], video_backend="pyav", return_uint8=True)
    at_random, in_order, compared = steps_of(job)
    for step in at_random[:10]:
        dataset[step]
    random_s, in_order_s = (median_s(dataset.__getitem__, steps) for steps in (at_random, in_order))
    differences = []
    for step in compared:
        item = dataset[step]
        for name in frames.cameras:
            shown = item[f"observation.images.{name}"].numpy().transpose(1, 2, 0)
            differences.append(psnr_db(shown, frames.image(step // frames.count, name, step % frames.count)))
    return {
        "random_s": random_s, "in_order_s": in_order_s, "peak_mb": Meter.peak_mb(), "psnr_db": float(np.mean(differences)),
    }  # fmt: skip


if __name__ == "__main__":
    import lerobot_compat  # noqa: F401  (must come before LeRobot)
    import torch

    torch.set_num_threads(1)
    asked = json.loads(Path(sys.argv[1]).read_text())
    Path(sys.argv[2]).write_text(json.dumps({"write": write, "read": read}[asked["do"]](asked)))
