"""What can be fetched: `assets.toml` beside this file, read into values."""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bodydouble.cache import cache_folder
from bodydouble.pip_download import Wheel


@dataclass(frozen=True)
class AssetFile:
    """One file of an asset: its name in the wheel, its path in the asset's folder, its SHA-256."""

    member: str
    path: str
    sha256: str


@dataclass(frozen=True)
class BundleEntry:
    """One model of a `.task` bundle: the name the task looks for, the file, its input normalization."""

    entry: str
    path: str
    mean: float
    std: float


@dataclass(frozen=True)
class Asset:
    """Something that can be fetched: a model (one file), a sample recording or a robot's description (folders)."""

    name: str
    kind: Literal["model", "sample", "robot"]
    wheel: Wheel
    summary: str
    needed_for: str
    files: tuple[AssetFile, ...]
    bundle: tuple[BundleEntry, ...]

    @property
    def folder(self) -> Path:
        """The folder in the cache that the files lie in."""
        return assets_folder() / (self.wheel.name if self.kind == "model" else self.name)

    @property
    def path(self) -> Path:
        """The model's file, or the folder of a sample or robot."""
        return self.folder / self.name if self.kind == "model" else self.folder


def assets_folder() -> Path:
    """Return the folder that assets are kept in."""
    return cache_folder() / "assets"


@functools.cache
def catalogue() -> dict[str, Asset]:
    """Return everything that can be fetched, by name, in the order of `assets.toml`."""
    table = tomllib.loads((Path(__file__).parent / "assets.toml").read_text(encoding="utf-8"))
    wheels = {
        name: Wheel(
            name, w["requirement"], w["sha256"], w["bytes"], w["license"], tuple(a["name"] for a in table["assets"] if a["wheel"] == name)
        )
        for name, w in table["wheels"].items()
    }
    return {
        a["name"]: Asset(
            name=a["name"],
            kind=a["kind"],
            wheel=wheels[a["wheel"]],
            summary=a["summary"],
            needed_for=a["needed_for"],
            files=tuple(AssetFile(**f) for f in a["files"]),
            bundle=tuple(BundleEntry(**b) for b in a.get("bundle", ())),
        )
        for a in table["assets"]
    }
