"""Opens, thins, merges, normalises and converts exports with unmodified LeRobot; ``test_lerobot.py`` beside this file starts it.

    JUDGES_PYTHON tests/judges/lerobot_judge.py WHAT EXPORT [FOLDER]

Needs ``lerobot_compat`` on the path, and nothing of ours. The last line it prints is its answer, JSON.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import lerobot_compat  # noqa: F401  (must come before LeRobot)
import numpy as np
import torch
from lerobot.configs.types import FeatureType, NormalizationMode
from lerobot.datasets.compute_stats import aggregate_stats
from lerobot.datasets.dataset_tools import _load_episode_with_stats, delete_episodes, merge_datasets
from lerobot.datasets.lerobot_dataset import LeRobotDataset
from lerobot.processor.normalize_processor import NormalizerProcessorStep
from lerobot.utils.feature_utils import dataset_to_policy_features


def opened(root: Path) -> LeRobotDataset:
    """Open a dataset as training does."""
    return LeRobotDataset(f"local/{root.name}", root=root, video_backend="pyav", return_uint8=True)


def read(root: Path, folder: Path) -> Any:
    """Save every step's images and numbers, and let a data loader put batches together."""
    dataset = opened(root)
    items = [dataset[number] for number in range(len(dataset))]
    keys = [key for key, value in items[0].items() if isinstance(value, torch.Tensor)]
    np.savez(folder / "items.npz", **{key: np.stack([item[key].numpy() for item in items]) for key in keys})
    batches = list(torch.utils.data.DataLoader(dataset, batch_size=3))
    return {
        "tasks": [item["task"] for item in items],
        "batched": sum(len(batch["index"]) for batch in batches),
        "episodes": dataset.meta.total_episodes,
    }


def normalise(root: Path, folder: Path) -> Any:
    """Normalise every step in each of LeRobot's ways and return the largest number of each feature."""
    dataset = opened(root)
    features = dataset_to_policy_features(dataset.meta.features)
    largest: dict[str, dict[str, float]] = {}
    for mode in (NormalizationMode.MEAN_STD, NormalizationMode.MIN_MAX, NormalizationMode.QUANTILES, NormalizationMode.QUANTILE10):
        ways = {kind: NormalizationMode.IDENTITY if kind == FeatureType.VISUAL else mode for kind in FeatureType}
        step = NormalizerProcessorStep(features=features, norm_map=ways, stats=dataset.meta.stats)
        found: dict[str, float] = {}
        for number in range(len(dataset)):
            item = dataset[number]
            numbers = {key: value for key, value in item.items() if key.startswith("observation.") and "images" not in key}
            normal = {
                **step._normalize_observation(numbers, inverse=False),
                "action": step._normalize_action(item["action"], inverse=False),
            }
            for key, value in normal.items():
                size = float(value.abs().max()) if value.isfinite().all() else float("inf")
                found[key] = max(found.get(key, 0.0), size)
        largest[mode.name] = found
    return largest


def statistics(root: Path, folder: Path) -> Any:
    """Combine the episodes' statistics with LeRobot's own function; return the features where ``stats.json`` says something else."""
    dataset = opened(root)
    parts = []
    for number in range(dataset.meta.total_episodes):
        part: dict[str, dict[str, Any]] = {}
        for key, value in _load_episode_with_stats(dataset, number).items():
            if key.startswith("stats/"):
                _, feature, figure = key.split("/")
                shaped = np.array(
                    value.tolist() if value.dtype != object else [np.ravel(np.concatenate(list(colour)))[0] for colour in value]
                )
                part.setdefault(feature, {})[figure] = shaped.reshape(-1, 1, 1) if value.dtype == object else shaped
        parts.append(part)
    theirs = aggregate_stats(parts)
    return [
        f"{feature}/{figure}"
        for feature, figures in theirs.items()
        for figure, value in figures.items()
        if not np.allclose(dataset.meta.stats[feature][figure], value, rtol=1e-6, atol=1e-9)
    ]


def tools(root: Path, folder: Path) -> Any:
    """Delete the second episode, merge what is left with the whole, and compare every image and number with where it came from."""
    whole = opened(root)
    thinned = delete_episodes(whole, [1], output_dir=folder / "thinned", repo_id="local/thinned")
    merged = merge_datasets([whole, thinned], "local/merged", output_dir=folder / "merged")
    lengths = [row["length"] for row in whole.meta.episodes]
    kept = [number for number in range(len(whole)) if not lengths[0] <= number < lengths[0] + lengths[1]]
    came_from = [*range(len(whole)), *kept]
    merged = opened(folder / "merged")
    different = []
    for number, source in enumerate(came_from):
        got, expected = merged[number], whole[source]
        changing = ("index", "episode_index", "task_index")
        different += [f"{number} {key}" for key, value in expected.items() if key not in changing and not np.array_equal(got[key], value)]
    files = [str(path.relative_to(folder / "thinned")) for path in (folder / "thinned").rglob("*") if path.is_file()]
    return {"thinned": len(thinned), "merged": len(merged), "expected": len(came_from), "different": different, "files": files}


def convert(root: Path, folder: Path) -> Any:
    """Convert a copy of a version 2.1 dataset to 3.0 with LeRobot's own script, offline."""
    from lerobot.scripts.convert_dataset_v21_to_v30 import convert_dataset

    shutil.copytree(root, folder / "converted")
    convert_dataset("local/converted", root=folder / "converted", push_to_hub=False)
    return {"steps": len(opened(folder / "converted"))}


if __name__ == "__main__":
    what, export, *rest = sys.argv[1:]
    chosen = {"read": read, "normalise": normalise, "statistics": statistics, "tools": tools, "convert": convert}[what]
    print(json.dumps(chosen(Path(export), Path(rest[0]) if rest else Path())))
