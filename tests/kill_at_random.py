"""Kill `process` and `export` with SIGKILL at random moments; count episodes lost, half files seen and reruns that fail.

    .venv/bin/python -P tests/kill_at_random.py [--times 100] [--seed 0] [--frames 10]

Each time a process is forked that does the work (half the times over an output that is already there) and is killed at a moment drawn uniformly over how long
the work takes. Then whatever is under a final name must be whole, an older output must not be gone, and the same work must complete when run again. The work is
the real four-camera sample; detections are kept, fit, retargeting and writing are done each time.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass
class Count:
    """What happened."""

    kills: int = 0
    finished_before: int = 0
    lost: int = 0
    half: int = 0
    failed_reruns: int = 0

    def __str__(self) -> str:
        return (
            f"{self.kills} kills ({self.finished_before} came after the end): {self.lost} whole outputs lost, {self.half} half files visible, "
            f"{self.failed_reruns} reruns failed"
        )


def kill_process(recording: Path, folder: Path, times: int, frames: int, encoding: str, rng: np.random.Generator) -> Count:
    """Kill ``process`` of ``frames`` frames; cached fits and trajectories are deleted each time."""
    from bodydouble.capture import open_recording
    from bodydouble.datasets import validate_episode
    from bodydouble.datasets.pipeline import ProcessSettings, process

    out = folder / f"{encoding}.h5"
    settings = ProcessSettings(start=0, stop=frames, images=encoding)  # type: ignore[arg-type]
    results = Path(os.environ["BODYDOUBLE_CACHE"])

    def work() -> None:
        process(open_recording(recording), out, settings, force=True)

    def forget() -> None:
        for name in ("motion", "trajectory"):
            shutil.rmtree(results / name, ignore_errors=True)

    def whole() -> bool:
        return all(check.verdict != "FAIL" for check in validate_episode(out))

    return _repeat(work, out, whole, times, rng, forget)


def kill_export(episode: Path, folder: Path, format_name: str, times: int, rng: np.random.Generator) -> Count:
    """Kill an export of one episode."""
    from bodydouble.datasets.exports.building import read_index
    from bodydouble.datasets.exports.export_plan import plan_export
    from bodydouble.datasets.exports.export_settings import ExportSettings
    from bodydouble.datasets.exports.exporting import export
    from bodydouble.datasets.exports.formats import export_format

    chosen = export_format(format_name)
    out = folder / f"export_{format_name}{chosen.suffix}"
    plan = plan_export(format_name, [episode], ExportSettings(allow_unconsented=True), own_rate_hz=chosen.own_rate_hz, images=chosen.images)

    def work() -> None:
        export(plan, out, force=True)

    def whole() -> bool:
        chosen.verify(out, read_index(out))
        return True

    return _repeat(work, out, whole, times, rng, lambda: None)


def _repeat(
    work: Callable[[], None], out: Path, whole: Callable[[], bool], times: int, rng: np.random.Generator, forget: Callable[[], None]
) -> Count:  # fmt: skip
    for _ in range(2):  # the first one warms up
        began = time.monotonic()
        assert _in_child(work, None) == 0, "the work does not complete undisturbed"
        lasts = time.monotonic() - began
    count = Count()
    for number in range(times):
        forget()
        before = number % 2 == 1 and out.exists()
        if not before:
            shutil.rmtree(out, ignore_errors=True) if out.is_dir() else out.unlink(missing_ok=True)
        ended = _in_child(work, rng.uniform(0.0, lasts))
        count.kills += 1
        count.finished_before += ended == 0
        if out.exists():
            try:
                count.half += not whole()
            except Exception as error:
                print(f"half: {error}", file=sys.stderr)
                count.half += 1
        else:
            count.lost += before or ended == 0
        count.failed_reruns += _in_child(work, None) != 0 or not whole()
    return count


def _in_child(work: Callable[[], None], kill_after_s: float | None) -> int:
    """Run ``work`` in a forked process, killed after a while; return 0 where it completed."""
    child = os.fork()
    if child == 0:
        code = 1
        with contextlib.suppress(BaseException):
            work()
            code = 0
        os._exit(code)
    if kill_after_s is not None:
        deadline = time.monotonic() + kill_after_s
        while time.monotonic() < deadline:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                return status
            time.sleep(0.002)
        os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


def main() -> int:
    """Print one line for each kind of work and one for all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--frames", type=int, default=10)
    parser.add_argument("--formats", default="lerobot,robomimic,motion")
    arguments = parser.parse_args()
    from bodydouble import assets
    from bodydouble.capture import open_recording
    from bodydouble.cli.demo import make_recording
    from bodydouble.datasets.pipeline import ProcessSettings, process

    rng = np.random.default_rng(arguments.seed)
    formats = arguments.formats.split(",")
    share = max(1, arguments.times // (2 + len(formats)))
    samples, models = assets.path_of("pose2sim_single"), assets.assets_folder()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "cache").mkdir()
        (folder / "cache" / "assets").symlink_to(models, target_is_directory=True)
        os.environ["BODYDOUBLE_CACHE"] = str(folder / "cache")
        make_recording(samples, folder / "recording")
        process(open_recording(folder / "recording"), folder / "first.h5", ProcessSettings(start=0, stop=arguments.frames))
        counts = {}
        for encoding in ("jpeg", "h264"):
            counts[f"process, {encoding}"] = kill_process(folder / "recording", folder, share, arguments.frames, encoding, rng)
        for number, format_name in enumerate(formats):
            rest = arguments.times - share * (1 + len(formats)) if number == 0 else share
            counts[f"export, {format_name}"] = kill_export(folder / "first.h5", folder, format_name, rest, rng)
        for what, count in counts.items():
            print(f"{what}: {count}")
        total = Count(*(sum(getattr(c, field) for c in counts.values()) for field in vars(Count())))
        print(f"all: {total}")
        return int(bool(total.lost or total.half or total.failed_reruns))


if __name__ == "__main__":
    sys.exit(main())
