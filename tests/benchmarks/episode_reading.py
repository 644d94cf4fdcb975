"""How fast single frames come out of episode files, and what that costs in memory; prints two tables.

    .venv/bin/python -P tests/benchmarks/episode_reading.py [--episodes 1000] [--frames 60] [--size 480x640]

Simulated images (smooth moving shapes), 78 joints. *Open and read*: a new handle, one image and its state, files in the page cache. *Random frames*:
`EpisodeFrames` over all episodes in random order, with the resident memory after each tenth of it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
from rich.console import Console
from rich.table import Table

from bodydouble.datasets.episode_frames import EpisodeFrames
from bodydouble.datasets.images import encode_jpeg

JOINTS = 78


def write_like_an_episode(path: Path, frames: int, size: tuple[int, int], rng: np.random.Generator) -> None:
    """Write what ``EpisodeFrames`` reads of an episode, chunked and compressed as `write_episode` does it."""
    height, width = size
    y, x = np.mgrid[:height, :width]
    with h5py.File(path, "w") as file:
        file.attrs["format"], file.attrs["schema_version"], file.attrs["complete"] = "bodydouble-episode", 2, True
        packed = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
        file.create_dataset("robot/positions", data=rng.normal(size=(frames, JOINTS)).cumsum(axis=0) / 50, **packed)
        file.create_dataset("robot/joint_source", data=np.ones((frames, JOINTS), np.uint8), **packed)
        file["robot/times_s"] = np.arange(frames) / 30.0
        images = file.create_dataset("images/front", shape=(frames,), dtype=h5py.vlen_dtype(np.uint8), chunks=(1,))
        images.attrs["image_size"] = (width, height)
        for frame in range(frames):
            shade = 127 + 60 * np.sin((x + 3 * frame) / 40) * np.cos(y / 30)
            rgb = np.stack([shade, shade[::-1], 255 - shade], axis=2).astype(np.uint8)
            images[frame] = np.frombuffer(encode_jpeg(rgb), np.uint8)


def resident_mb() -> float:
    """Return this process' resident memory in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--episodes", type=int, default=1000)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--size", default="480x640", help="height x width in px")
    arguments = parser.parse_args()
    size = tuple(int(side) for side in arguments.size.split("x"))
    rng, console = np.random.default_rng(0), Console()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_like_an_episode(folder / "0.h5", arguments.frames, size, rng)  # type: ignore[arg-type]
        paths = [folder / "0.h5"]
        for number in range(1, arguments.episodes):
            paths.append(Path(shutil.copy(folder / "0.h5", folder / f"{number}.h5")))
        times = []
        for number in rng.integers(0, len(paths), 100):
            began = time.perf_counter()
            frames = EpisodeFrames([paths[number]], cameras=("front",))
            frames[int(rng.integers(len(frames)))]
            frames.close()
            times.append(1e3 * (time.perf_counter() - began))
        table = Table(title="Open one episode and read one random frame with its state (ms, warm)")
        for column in ("median", "p95", "largest"):
            table.add_column(column, justify="right")
        table.add_row(*(f"{value:.1f}" for value in (np.median(times), np.percentile(times, 95), max(times))))
        console.print(table)

        frames = EpisodeFrames(paths, cameras=("front",), horizon=16)
        order = rng.permutation(len(frames))[: 10 * arguments.episodes]
        table = Table(title=f"Random frames over {len(paths)} episodes")
        for column in ("share read", "resident MB", "ms a frame"):
            table.add_column(column, justify="right")
        memory = []
        for part, indices in enumerate(np.array_split(order, 10), 1):
            began = time.perf_counter()
            for index in indices:
                frames[int(index)]
            memory.append(resident_mb())
            table.add_row(f"{10 * part} %", f"{memory[-1]:.0f}", f"{1e3 * (time.perf_counter() - began) / len(indices):.1f}")
        console.print(table)
        console.print(f"Growth of resident memory from 10 % to 100 %: {100 * (memory[-1] / memory[0] - 1):.1f} %")


if __name__ == "__main__":
    main()
