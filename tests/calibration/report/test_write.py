"""The report is written as two files, and its verdict is handed back."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from bodydouble.calibration.intrinsics import calibrate_lens
from bodydouble.calibration.report.write import HTML_FILE, JSON_FILE, write_report
from bodydouble.calibration.rig_calibration import RigCalibration
from bodydouble.errors import BodydoubleError, UnknownNameError


@pytest.fixture(scope="module")
def calibration(simulated_calibration) -> RigCalibration:
    return simulated_calibration(moments=40)


def test_both_files_are_written_into_a_new_folder_and_agree_on_the_verdict(calibration, tmp_path):
    verdict = write_report(calibration, tmp_path / "new" / "report", purpose="body", settings={"Recording": "take"}, source="take")
    content = json.loads((tmp_path / "new" / "report" / JSON_FILE).read_text(encoding="utf-8"))
    page = (tmp_path / "new" / "report" / HTML_FILE).read_text(encoding="utf-8")
    assert content["verdict"] == verdict
    assert f"<title>{verdict}: Calibration from take</title>" in page
    assert "<td>take</td>" in page
    assert (HTML_FILE, JSON_FILE) == ("calibration_report.html", "calibration_report.json")


def test_hands_are_what_it_is_judged_for_unless_told_otherwise(calibration, tmp_path):
    write_report(calibration, tmp_path)
    assert json.loads((tmp_path / JSON_FILE).read_text(encoding="utf-8"))["purpose"] == "hands"


def test_a_report_replaces_the_one_that_was_there(calibration, tmp_path):
    write_report(calibration, tmp_path)
    write_report(replace(calibration, rig=replace(calibration.rig, name="second")), tmp_path)
    assert json.loads((tmp_path / JSON_FILE).read_text(encoding="utf-8"))["name"] == "second"
    assert {path.name for path in tmp_path.iterdir()} == {HTML_FILE, JSON_FILE}


def test_an_unknown_purpose_is_refused_before_anything_is_written(calibration, tmp_path):
    with pytest.raises(UnknownNameError, match="purpose 'feet'"):
        write_report(calibration, tmp_path / "report", purpose="feet")
    assert not (tmp_path / "report").exists()


def test_a_folder_that_cannot_be_made_is_a_clear_error(calibration, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BodydoubleError, match="file"):
        write_report(calibration, tmp_path / "file" / "report")


def test_names_that_are_no_unicode_are_written_all_the_same(calibration, tmp_path):
    write_report(replace(calibration, rejected={"cam\udcff frame 1": "why"}), tmp_path)
    assert "cam\\udcff frame 1" in (tmp_path / HTML_FILE).read_text(encoding="utf-8")


def test_the_lens_of_one_camera_has_a_report_too(calibration, tmp_path):
    views = calibration.views.select(calibration.views.camera == 0)
    write_report(calibrate_lens(views, (1280, 960)), tmp_path, camera="front")
    content = json.loads((tmp_path / JSON_FILE).read_text(encoding="utf-8"))
    assert (content["kind"], content["name"]) == ("lens", "front")
    assert content["held_out"]["board_distance_mm"]["median"] is None
    assert content["train"]["views"] == {"front": len(views)}
    assert len(content["intrinsics"]["front"]["sigma"]["parameters"]) == 9
    page = (tmp_path / HTML_FILE).read_text(encoding="utf-8")
    assert "Calibration of camera front" in page
    assert "Clocks" not in page
