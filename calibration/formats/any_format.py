"""A rig from whichever file describes it."""

from __future__ import annotations

from pathlib import Path

from bodydouble.calibration.formats.qualisys import read_qualisys
from bodydouble.calibration.rig import Rig


def read_rig(path: Path) -> Rig:
    """Read ``rig.toml`` or a Qualisys calibration (``.txt``, ``.qca``, ``.xml``), told apart by their extensions.

    An aniposelib file does not say its unit: use ``read_aniposelib``. Raises: UsageError as ``Rig.load`` and ``read_qualisys``.
    """
    path = Path(path)
    return read_qualisys(path) if path.suffix.lower() in (".txt", ".qca", ".xml") else Rig.load(path)
