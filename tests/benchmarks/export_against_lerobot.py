"""Our episode file and our LeRobot export against LeRobot's own writer and reader: size, time and memory for the same frames.

    .venv/bin/python -P tests/benchmarks/export_against_lerobot.py

The frames are simulated (natural_episode.py: textures, a panning camera, moving objects, sensor noise; one JPEG of quality 90 is about as large as that of a
real 640x480 frame). Every measurement runs in a process of its own, one after the other, in the same run. Needs the environment of `make judges`. An "image"
is one camera's; a "step" is what a trainer asks for: the images of all cameras and the robot's numbers. Our export is made from our episode files, LeRobot's
dataset from the raw frames, as each is used. `--check` exits 1 where a target is missed.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from lerobot_peer import COMPAT, Frames, Job, Meter, ask, median_s, psnr_db, steps_of

ROOT = Path(__file__).resolve().parents[2]
JUDGES = ROOT / ".judges" / "bin" / "python"
PEER = Path(__file__).with_name("lerobot_peer.py")


def make_frames(job: Job) -> Job:
    """Draw all frames, so that nobody's measurement contains it."""
    sys.path.insert(0, str(ROOT / "tests" / "datasets" / "exports"))
    from natural_episode import natural_episode, natural_images

    frames = Frames(job)
    size = (job["size"][0], job["size"][1])
    for episode in range(frames.episodes):
        for row, camera in enumerate(frames.cameras):
            with frames.path(episode, camera).open("wb") as file:
                for image in natural_images(100 * episode + row, frames.count, size):
                    file.write(image.tobytes())
        made = natural_episode(frames.count, dict.fromkeys(frames.cameras, size), rate_hz=job["rate_hz"], seed=episode)
        np.save(frames.folder / f"{episode}_state.npy", made.trajectory.positions.astype(np.float32))
    return {}


def write_episodes(job: Job) -> Job:
    """Write our episode files: JPEG in HDF5."""
    sys.path.insert(0, str(ROOT / "tests" / "datasets" / "exports"))
    from natural_episode import natural_episode

    from bodydouble.datasets import write_episode

    frames = Frames(job)
    sizes = dict.fromkeys(frames.cameras, (job["size"][0], job["size"][1]))
    episodes = [natural_episode(frames.count, sizes, rate_hz=job["rate_hz"], seed=number) for number in range(frames.episodes)]
    with Meter() as meter:
        for number, episode in enumerate(episodes):
            images = (
                (camera, step, image)
                for step, shown in enumerate(zip(*(frames.images(number, name) for name in frames.cameras), strict=True))
                for camera, image in zip(frames.cameras, shown, strict=True)
            )
            write_episode(Path(job["out"], f"{number}.h5"), episode, images=images)
    return {"cpu_s": meter.cpu_s, "wall_s": meter.wall_s, "peak_mb": Meter.peak_mb()}


def read_episodes(job: Job) -> Job:
    """Read single steps of our episode files."""
    from bodydouble.datasets import read_episode

    frames = Frames(job)
    episodes = [read_episode(Path(job["out"], f"{number}.h5")) for number in range(frames.episodes)]

    def step(number: int) -> list[Any]:
        episode, frame = episodes[number // frames.count], number % frames.count
        return [episode.trajectory.positions[frame], *(episode.image(camera, frame) for camera in frames.cameras)]

    at_random, in_order, compared = steps_of(job)
    for number in at_random[:10]:
        step(number)
    random_s, in_order_s = (median_s(step, steps) for steps in (at_random, in_order))
    differences = [
        psnr_db(image, frames.image(number // frames.count, camera, number % frames.count))
        for number in compared
        for camera, image in zip(frames.cameras, step(number)[1:], strict=True)
    ]
    return {
        "random_s": random_s, "in_order_s": in_order_s, "peak_mb": Meter.peak_mb(), "psnr_db": float(np.mean(differences)),
    }  # fmt: skip


def export_episodes(job: Job) -> Job:
    """Export our episode files as a LeRobot dataset, verified as always."""
    from bodydouble.datasets.exports.export_plan import plan_export
    from bodydouble.datasets.exports.export_settings import ExportSettings
    from bodydouble.datasets.exports.exporting import export
    from bodydouble.datasets.exports.formats import export_format

    export_format("lerobot")
    for library in ("av", "cv2", "pyarrow.parquet"):  # LeRobot's are loaded by now, too
        importlib.import_module(library)
    with Meter() as meter:
        paths = [Path(job["from"], f"{number}.h5") for number in range(job["episodes"])]
        export(plan_export("lerobot", paths, ExportSettings(codec=job["codec"], allow_unconsented=True)), Path(job["out"]))
    return {"cpu_s": meter.cpu_s, "wall_s": meter.wall_s, "peak_mb": Meter.peak_mb()}


OURS = {"frames": make_frames, "write": write_episodes, "read": read_episodes, "export": export_episodes}


def measure(job: Job, folder: Path) -> dict[str, dict[str, float]]:
    """Run everything and return figures by row."""
    ours, episodes = Path(__file__), folder / "episodes"
    episodes.mkdir()
    ask(sys.executable, ours, {**job, "do": "frames"})
    rows: dict[str, dict[str, float]] = {}

    def row(name: str, out: Path, writer: tuple[Any, Job], reader: tuple[Any, Path]) -> None:
        written = ask(writer[0], ours if writer[0] == sys.executable else PEER, {**job, "out": str(out), **writer[1]})
        read = ask(reader[0], reader[1], {**job, "do": "read", "out": str(out)})
        size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
        rows[name] = {**read, **written, "read_peak_mb": read["peak_mb"], "size_mb": size / 1e6}
        print(f"{name}: {written['wall_s']:.0f} s", file=sys.stderr)

    peer = (JUDGES, PEER)
    row("episode file (JPEG)", episodes, (sys.executable, {"do": "write"}), (sys.executable, ours))
    row("LeRobot, AV1 (its default)", folder / "lerobot_av1", (JUDGES, {"do": "write", "codec": "libsvtav1", "streaming": False}), peer)
    row("LeRobot, H.264 streamed", folder / "lerobot_h264", (JUDGES, {"do": "write", "codec": "h264", "streaming": True}), peer)
    for codec, title in (("av1", "our export, AV1"), ("h264", "our export, H.264")):
        row(title, folder / f"ours_{codec}", (sys.executable, {"do": "export", "codec": codec, "from": str(episodes)}), peer)
    return rows


def report(rows: dict[str, dict[str, float]], job: Job) -> bool:
    """Print the table and whether the targets are met; return that."""
    from rich.console import Console
    from rich.table import Table

    images = job["episodes"] * job["count"] * len(job["cameras"])
    table = Table(
        title=f"{job['episodes']} episodes x {job['count']} steps x {len(job['cameras'])} cameras, {job['size'][0]}x{job['size'][1]}, simulated"
    )
    heads = ("size MB", "write CPU ms/image", "write wall ms/image", "random ms/step", "in order ms/step", "peak MB write, read", "PSNR dB")
    table.add_column("")
    for head in heads:
        table.add_column(head, justify="right")
    for name, item in rows.items():
        table.add_row(
            name, f"{item['size_mb']:.1f}", f"{1e3 * item['cpu_s'] / images:.1f}", f"{1e3 * item['wall_s'] / images:.1f}", f"{1e3 * item['random_s']:.1f}",
            f"{1e3 * item['in_order_s']:.1f}", f"{item['peak_mb']:.0f}, {item['read_peak_mb']:.0f}", f"{item['psnr_db']:.1f}",
        )  # fmt: skip
    console = Console(width=150)
    console.print(table)
    file, av1, h264 = rows["episode file (JPEG)"], rows["LeRobot, AV1 (its default)"], rows["LeRobot, H.264 streamed"]
    mine = {"AV1": (rows["our export, AV1"], av1), "H.264": (rows["our export, H.264"], h264)}
    targets = [
        ("random access of the episode file against LeRobot's AV1", av1["random_s"] / file["random_s"], 3),
        ("random access of the episode file against LeRobot's H.264", h264["random_s"] / file["random_s"], 3),
        ("CPU of writing the episode file against LeRobot's AV1", av1["cpu_s"] / file["cpu_s"], 10),
        ("CPU of writing the episode file against LeRobot's streamed H.264", h264["cpu_s"] / file["cpu_s"], 5),
        *(
            (f"CPU of our export against LeRobot's writer, {codec}", theirs["cpu_s"] / own["cpu_s"], 2)
            for codec, (own, theirs) in mine.items()
        ),
    ]
    for what, ratio, target in targets:
        console.print(f"{'met   ' if ratio >= target else 'MISSED'} {what}: {ratio:.1f} times better, at least {target} wanted")
    return all(ratio >= target for _, ratio, target in targets)


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1].endswith("job.json"):
        asked = json.loads(Path(sys.argv[1]).read_text())
        Path(sys.argv[2]).write_text(json.dumps(OURS[asked["do"]](asked)))
        sys.exit()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=4)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args()
    for needed, how in ((JUDGES, "`make judges` makes it"), (COMPAT / "lerobot_compat.py", "it lets LeRobot be imported here")):
        if not needed.exists():
            sys.exit(f"{needed} is missing; {how}.")
    with tempfile.TemporaryDirectory() as made:
        frames_folder = Path(made, "frames")
        frames_folder.mkdir()
        asked = {
            "frames": str(frames_folder), "episodes": given.episodes, "count": given.steps, "cameras": ["ego", "chest"], "size": [640, 480],
            "rate_hz": 30, "random": 200, "in_order": 200,
        }  # fmt: skip
        met = report(measure(asked, Path(made)), asked)
    sys.exit(0 if met or not given.check else 1)
