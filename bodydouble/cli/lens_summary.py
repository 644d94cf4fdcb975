"""What ``bodydouble calibrate intrinsics`` writes and prints: the lens, the views it was found from, and the checks it is held against."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bodydouble.calibration.intrinsics import IntrinsicsCalibration
    from bodydouble.calibration.observations import Observations
    from bodydouble.calibration.rig import Rig
    from bodydouble.capture import Recording
    from bodydouble.check import Check

BODY = "camera"
"""Of the one camera in the rig that is written."""


def lens_rig(camera: str, found: IntrinsicsCalibration) -> Rig:
    """Return a rig of one camera, whose place means nothing."""
    import numpy as np

    from bodydouble.calibration import MountedCamera, Rig, Sigma

    sigma = Sigma(
        focal_px=float(np.sqrt(np.mean(np.square(found.sigma[:2])))), center_px=float(np.sqrt(np.mean(np.square(found.sigma[2:4]))))
    )
    return Rig(camera, (BODY,), {camera: MountedCamera(camera, found.model, BODY, np.eye(4), sigma)})


def view_names(recording: Recording, frames: Sequence[int]) -> list[str]:
    """Return what a person calls some frames of the only camera: the files of images, or the numbers of a video's frames."""
    from bodydouble.capture.image_folder import list_images

    source = recording.video_path(recording.cameras[0])
    images = list_images(source) if source.is_dir() else None
    return [images[frame].name if images else f"frame {frame}" for frame in frames]


def describe_lens(
    found: IntrinsicsCalibration, camera: str, names: Sequence[str], observations: Observations, checks: Sequence[Check], out: Path
) -> dict[str, Any]:
    """Return what is printed, ready for JSON; ``names`` are those of the views that the lens was looked for in."""
    from bodydouble.calibration.cameras.models import name_of
    from bodydouble.calibration.report.checks import worst

    parameters = ("fx", "fy", "cx", "cy", *(f"distortion_{i + 1}" for i in range(len(found.model.distortion))))
    return {
        "camera": camera,
        "file": str(out),
        "lens": found.lens,
        "model": name_of(found.model),
        "image_size_px": list(found.model.image_size),
        "focal_px": list(found.model.focal),
        "center_px": list(found.model.center),
        "distortion": list(found.model.distortion),
        "sigma": dict(zip(parameters, map(float, found.sigma), strict=True)),
        "rms_px": found.rms_px,
        "noise_px": found.sigma_px,
        "views": [name for v, name in enumerate(names) if v not in found.rejected],
        "rejected": {names[v]: why for v, why in found.rejected.items()},
        "frames": observations.moments,
        "frames_with_board": int(observations.seen.any(axis=-1).sum()),
        "verdict": worst(checks),
        "checks": [check.as_dict() for check in checks],
    }


def print_lens(described: dict[str, Any]) -> None:
    """Print a lens for people."""
    from rich.console import Console
    from rich.text import Text

    from bodydouble.cli.quality_table import STYLES

    console = Console(highlight=False)
    (fx, fy), (cx, cy), sigma = described["focal_px"], described["center_px"], described["sigma"]
    console.print(Text(
        f"{described['camera']}: {described['lens']}, focal length {fx:.1f} ± {sigma['fx']:.1f}, {fy:.1f} ± {sigma['fy']:.1f} px, "
        f"centre {cx:.1f} ± {sigma['cx']:.1f}, {cy:.1f} ± {sigma['cy']:.1f} px"
    ))  # fmt: skip
    console.print(Text(
        f"{len(described['views'])} views of {described['frames_with_board']} that show the board; {described['rms_px']:.3f} px rms"
    ))  # fmt: skip
    for name, why in described["rejected"].items():
        console.print(Text.assemble(("left out ", "yellow"), f"{name}: {why}"))
    for check in described["checks"]:
        if check["verdict"] != "PASS":
            console.print(
                Text.assemble(
                    (check["verdict"], STYLES[check["verdict"]]), f" {check['name']}: {check['found']} ", (check["remedy"], "dim")
                )
            )
    console.print(Text(f"Wrote {described['file']}"), soft_wrap=True)
