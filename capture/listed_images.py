"""A folder of stills of several cameras with a list of them, ``frames.csv``: as head-worn glasses' recordings are unpacked."""

from __future__ import annotations

import csv
from pathlib import Path

from bodydouble.cache import cache_folder, content_key
from bodydouble.capture.new_folder import building_folder
from bodydouble.errors import DataError, FileExistsUsageError

LIST_NAME = "frames.csv"
CALIBRATION_NAME = "calibration.json"
_COLUMNS = ("camera", "index", "file", "capture_timestamp_ns")


def is_listed(folder: Path) -> bool:
    """Tell whether a folder holds such a list."""
    return folder.is_dir() and (folder / LIST_NAME).is_file()


def sorted_by_camera(folder: Path) -> Path:
    """Return a folder in the cache with a folder of links a camera, their times, and the calibration beside them.

    Raises: DataError for a list with other columns, or of files that are not there.
    """
    path = folder / LIST_NAME
    try:
        with path.open(newline="", encoding="utf-8") as handle:
            reader = csv.DictReader(handle)
            missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise DataError(f"{path} has no column '{missing[0]}'; expected {','.join(_COLUMNS)}.")
            rows = [(row["camera"], int(row["capture_timestamp_ns"]), folder / Path(row["file"]).name) for row in reader]
    except (UnicodeDecodeError, ValueError, TypeError) as error:
        raise DataError(f"{path} cannot be read as a list of images: {error}.") from None
    if not rows:
        raise DataError(f"{path} lists no image.")
    gone = [file for _, _, file in rows if not file.is_file()]
    if gone:
        raise DataError(f"{path} lists {gone[0].name}, which is not beside it. Copy the images again.")
    target = cache_folder() / "listed" / content_key(str(folder.resolve()), path) / folder.resolve().name
    if target.is_dir():
        return target
    start = min(time for _, time, _ in rows)
    try:
        with building_folder(target, marker="timestamps.csv") as partial:
            lines, counts = ["camera,frame_index,time_s"], dict[str, int]()
            for camera, time_ns, file in sorted(rows, key=lambda row: row[:2]):
                number = counts.get(camera, 0)
                counts[camera] = number + 1
                (partial / camera).mkdir(exist_ok=True)
                (partial / camera / f"{number:06d}{file.suffix.lower()}").symlink_to(file.resolve())
                lines.append(f"{camera},{number},{(time_ns - start) / 1e9:.9f}")
            (partial / "timestamps.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
            if (folder / CALIBRATION_NAME).is_file():
                (partial / CALIBRATION_NAME).symlink_to((folder / CALIBRATION_NAME).resolve())
    except FileExistsUsageError:
        pass  # another process did the same meanwhile
    return target
