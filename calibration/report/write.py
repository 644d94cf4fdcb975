"""Write the report of a calibration: a page for people and a JSON file for programs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bodydouble.atomic import write_atomically
from bodydouble.calibration.intrinsics import IntrinsicsCalibration
from bodydouble.calibration.report.checks import checks_of, worst
from bodydouble.calibration.report.html import report_html
from bodydouble.calibration.report.json import report_json
from bodydouble.calibration.report.summary import summarize
from bodydouble.calibration.report.thresholds import thresholds
from bodydouble.calibration.rig_calibration import RigCalibration
from bodydouble.check import Verdict

HTML_FILE = "calibration_report.html"
JSON_FILE = "calibration_report.json"


def write_report(
    calibration: RigCalibration | IntrinsicsCalibration, folder: Path, *, purpose: str = "hands", settings: Mapping[str, str] | None = None,
    camera: str = "camera", source: str = "",
) -> Verdict:  # fmt: skip
    """Write ``calibration_report.html`` and ``calibration_report.json`` to a folder and return the verdict.

    ``settings`` (name to value) are shown as what was chosen. ``camera`` names the one of a lens calibration, ``source`` what the calibration was
    made from, for the page's title. The JSON file is written last,
    so that where it is new both are. Raises: UnknownNameError for an unknown purpose; BodydoubleError when the folder cannot be written.
    """
    thresholds(purpose)
    summary = summarize(calibration, camera=camera)
    checks = checks_of(summary, purpose)
    verdict = worst(checks)
    page = report_html(summary, checks, verdict, purpose, settings, source)
    data = report_json(summary, checks, verdict, purpose, settings)
    for name, text in ((HTML_FILE, page), (JSON_FILE, data)):
        write_atomically(Path(folder) / name, text.encode("utf-8", "backslashreplace"))  # a file's name may hold what is not Unicode
    return verdict
