"""When a camera counts as moved: the limits of ``drift.toml``, each with its reason."""

from __future__ import annotations

import functools
import tomllib
from importlib import resources
from typing import Literal

from bodydouble.config import Settings, parse_settings
from bodydouble.errors import UnknownNameError

PointKind = Literal["boards", "landmarks"]


class Limit(Settings):
    """A number, and why it is that one."""

    value: float
    reason: str


class PointLimits(Settings):
    """What depends on the kind of points."""

    about: str
    noise_px: float
    """One standard deviation of a point's error where the caller does not know better."""
    significance: Limit
    pass_px: Limit
    pass_noise: Limit
    view_bias: Limit
    incoherent_share: Limit
    coarsest_share: Limit

    def pass_limit_px(self, noise_px: float) -> float:
        """Return the largest shift in px that is left alone where points are ``noise_px`` off."""
        return max(self.pass_px.value, self.pass_noise.value * noise_px)


class SharedLimits(Settings):
    """What holds for all points."""

    least_confidence: Limit
    fewest_moments: Limit
    most_moments: Limit
    most_points: Limit
    alike_s: Limit
    sigma_rotation_deg: Limit
    sigma_position_mm: Limit
    windows: Limit


class DriftSettings(Settings):
    """All of ``drift.toml``."""

    boards: PointLimits
    landmarks: PointLimits
    shared: SharedLimits

    def of(self, kind: PointKind) -> PointLimits:
        """Return the limits of one kind of points. Raises: UnknownNameError."""
        if kind not in ("boards", "landmarks"):
            raise UnknownNameError("kind of points", kind, "drift.toml", ("boards", "landmarks"))
        return self.boards if kind == "boards" else self.landmarks


@functools.cache
def drift_settings() -> DriftSettings:
    """Return the limits of ``drift.toml``."""
    text = resources.files("bodydouble.calibration.drift").joinpath("drift.toml").read_text(encoding="utf-8")
    return parse_settings(tomllib.loads(text), DriftSettings, source="drift.toml")
