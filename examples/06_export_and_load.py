"""Episodes for a trainer, two ways: read frames from the episode files themselves, or export them and let the trainer's own loader open that.

    python examples/06_export_and_load.py [EPISODE] [FOLDER]

Prints what a training step gets and how much of it was observed. With torch, `EpisodeFrames` goes straight into a `DataLoader`; the LeRobot folder opens with
`LeRobotDataset("local/demo", root=FOLDER / "lerobot")`.
"""

import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet

from bodydouble.datasets.episode_frames import EpisodeFrames
from bodydouble.datasets.exports.export_plan import plan_export
from bodydouble.datasets.exports.export_settings import ExportSettings
from bodydouble.datasets.exports.exporting import export
from bodydouble.datasets.exports.resampling import filled


def read_frames(episode: Path) -> None:
    """Take random frames from the episode file, each with the next 16 positions as its action."""
    frames = EpisodeFrames([episode], horizon=16)
    for index in np.random.default_rng(0).integers(0, len(frames), 3):
        item = frames[int(index)]
        observed = (item["action_source"] == 1).mean()
        action = filled(item["action"])  # a network wants finite numbers; the source says which ones count
        print(f"frame {item['frame']}: state {item['state'].shape}, action {action.shape}, {100 * observed:.0f} % of it observed")


def export_for_lerobot(episode: Path, out: Path) -> None:
    """Export at 20 Hz, arms and hands alone, small images; what has no consent is refused unless one says so."""
    settings = ExportSettings(
        rate_hz=20.0, joints=("left_arm", "right_arm", "left_hand", "right_hand"), image_size=(160, 120), allow_unconsented=True
    )
    plan = plan_export("lerobot", [episode], settings)
    index = export(plan, out, force=True)
    print(f"{out.name}: {len(index['episodes'])} episode, {index['rate_hz']:g} Hz, cameras {', '.join(index['cameras'])}")
    table = pyarrow.parquet.read_table(next((out / "data").rglob("*.parquet")))
    state, mask = (np.array(table[name].to_pylist()) for name in ("observation.state", "observation.mask.state"))
    print(f"observation.state {state.shape}, finite everywhere: {np.isfinite(state).all()}; observed {100 * (mask == 1).mean():.0f} %")


def main(episode: Path, folder: Path) -> None:
    read_frames(episode)
    export_for_lerobot(episode, folder / "lerobot")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo/episode.h5"), Path(sys.argv[2] if len(sys.argv) > 2 else "exported"))
