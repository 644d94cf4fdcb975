"""The export formats by name."""

from __future__ import annotations

import importlib

from bodydouble.datasets.exports.export_format import ExportFormat
from bodydouble.errors import UnknownNameError

MODULES = {
    "lerobot": "lerobot_v3",
    "gr00t": "gr00t",
    "robomimic": "robomimic",
    "aloha": "aloha",
    "egodex": "egodex",
    "motion": "motion",
    "rerun": "rerun_log",
    "bvh": "bvh",
}
"""Format to the module that defines ``FORMAT``, imported when used."""


def export_format(name: str) -> ExportFormat:
    """Return a format. Raises: UnknownNameError."""
    if name not in MODULES:
        raise UnknownNameError("format", name, "the export formats", MODULES)
    module = importlib.import_module(f"bodydouble.datasets.exports.{MODULES[name]}")
    chosen: ExportFormat = module.FORMAT
    return chosen
