"""What a camera wrote about its lens into a video."""

from __future__ import annotations

import math
import re
from pathlib import Path

from bodydouble.errors import DataError

_KEYS = ("focal_length.35mm_equivalent", "focallengthin35mmfilm", "focal_length_35mm", "focallengthin35mmformat")
_FILM_DIAGONAL_MM = math.hypot(36.0, 24.0)


def focal_px_from_metadata(path: Path) -> float | None:
    """Return the focal length in pixels if the video's metadata tells the 35 mm equivalent, else None (also if it cannot be read).

    CIPA's definition of the equivalent: same diagonal field of view as on 36x24 mm film. Stabilisation crops more, which is not told.
    """
    import av

    from bodydouble.capture.video import first_image_size

    try:
        with av.open(str(path)) as container:
            tags = {**container.metadata, **(container.streams.video[0].metadata if container.streams.video else {})}
        value = next((text for key, text in tags.items() if key.lower().endswith(_KEYS)), None)
        match = re.match(r"\s*(\d+(?:\.\d+)?)", value) if value else None
        if match is None or not 5.0 <= float(match[1]) <= 1000.0:
            return None
        return float(match[1]) / _FILM_DIAGONAL_MM * math.hypot(*first_image_size(Path(path)))
    except (av.FFmpegError, OSError, ValueError, DataError):
        return None
