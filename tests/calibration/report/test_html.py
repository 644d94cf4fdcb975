"""calibration_report.html: valid, self-contained, safe with any name, and honest. All calibrations here are simulated."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from bodydouble.calibration.report.checks import checks_of, worst
from bodydouble.calibration.report.html import report_html
from bodydouble.calibration.report.summary import ReportSummary, summarize
from bodydouble.calibration.rig_calibration import HeldOutScore, RigCalibration

VOID = {"br", "meta"}
NASTY = ("<b>cam", 'a"b', "x&amp;y", "<script>alert(1)</script>", "it's `code`")


class Page(HTMLParser):
    """Reads a page; fails on an element that is closed by another or never."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"an attribute of <{tag}> is there twice"
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def html_of(summary: ReportSummary, purpose: str = "hands", **options: object) -> str:
    checks = checks_of(summary, purpose)
    return report_html(summary, checks, worst(checks), purpose, **options)


def page_of(calibration: RigCalibration, purpose: str = "hands", **options: object) -> Page:
    return Page(html_of(summarize(calibration), purpose, **options))


@pytest.fixture(scope="module")
def calibration(simulated_calibration) -> RigCalibration:
    return simulated_calibration(moments=60)


@pytest.fixture(scope="module")
def summary(calibration) -> ReportSummary:
    return summarize(calibration)


def test_the_page_is_well_formed_and_needs_nothing_from_elsewhere(summary):
    text = html_of(summary)
    page = Page(text)
    assert text.startswith("<!DOCTYPE html>\n<html lang")
    assert not {"script", "link", "img", "iframe", "object", "embed", "base", "form"} & set(page.tags)
    assert not [item for item in page.attributes if item[1] in ("src", "href", "srcset", "action", "data") or item[1].startswith("on")]
    assert not re.search(r"https?:|//[a-z]|@import|url\(", text)
    assert page.tags.count("title") > 1  # the page's, and what each drawing shows


def test_every_drawing_has_finite_numbers_only(simulated_calibration, summary):
    for text in (html_of(summary), html_of(summarize(simulated_calibration(moments=40, blind=("front", "left_side"))))):
        assert "nan" not in text.replace("nanometre", "").lower()
        assert not re.search(r'="[^"]*\binf', text)


def test_names_are_text_whatever_is_in_them(simulated_calibration):
    found = simulated_calibration(NASTY, moments=60)
    found = replace(found, rig=replace(found.rig, name="<i>rig</i>"), rejected={f"{NASTY[3]} frame 3": "<u>why</u>"})
    page = page_of(found, settings={"<em>Recording</em>": "<s>take</s>"}, source="")
    assert not {"b>cam", "script", "i", "u", "em", "s"} & set(page.tags)
    for name in (*NASTY, "<i>rig</i>", "<u>why</u>", "<em>Recording</em>", "<s>take</s>"):
        assert name in page.text


def test_what_comes_first_is_the_verdict_and_what_to_do_first(summary):
    one = next(camera for camera in summary.cameras if camera.name == "left_side")
    bad = replace(one, sigma=replace(one.sigma, position_m=9e-3))
    page = Page(html_of(replace(summary, cameras=tuple(bad if camera is one else camera for camera in summary.cameras))))
    text = page.text
    assert text.index("FAIL") < text.index("Do this first") < text.index("At a glance") < text.index("What to do") < text.index("Cameras")
    first = text[text.index("Do this first") : text.index("At a glance")]
    assert "sigma of the position" in first
    assert "'left_side'" in first


def test_a_page_without_complaint_has_nothing_to_do(summary):
    page = page_of_summary(replace(summary, noise_floor_m=np.zeros(0)), "body")
    assert "all" in page.text
    assert "checks pass" in page.text
    assert "Do this first" not in page.text
    assert "What to do" not in page.text


def page_of_summary(summary: ReportSummary, purpose: str = "hands") -> Page:
    full = tuple(
        replace(camera, coverage=replace(camera.coverage, count=np.ones_like(camera.coverage.count))) for camera in summary.cameras
    )
    return Page(html_of(replace(summary, cameras=full), purpose))


def test_both_figures_are_shown_where_clocks_make_a_difference_and_it_is_said_which_is_which(calibration):
    score = HeldOutScore(np.array([0.004, -0.004, 0.004]), 7, 3, calibration.held_out.reprojection_px)
    text = page_of(replace(calibration, held_out_as_stamped=score)).text
    assert "by the calibrated clocks (all figures above)" in text
    assert "as the time stamps of the files say 4 4 4 3 3" in text
    assert "time_offset_s" in text


def test_there_is_one_figure_where_the_clocks_make_no_difference(calibration):
    text = page_of(replace(calibration, held_out_as_stamped=calibration.held_out)).text
    assert "so there is one figure only" in text
    assert "as the time stamps of the files say" not in text


def test_without_a_score_as_stamped_nothing_is_said_of_it(calibration):
    text = page_of(calibration).text
    assert "one figure only" not in text
    assert "as the time stamps" not in text


def test_a_camera_without_held_out_corners_says_so(simulated_calibration):
    text = page_of(simulated_calibration(moments=40, blind=("left_side",))).text
    assert re.search(r"'left_side': not measured\. +No corner on a held-out frame was seen by this camera and another one", text)


def test_a_rig_that_nothing_was_held_out_for_says_so_where_the_errors_would_be(simulated_calibration):
    text = page_of(simulated_calibration(moments=40, held_out=False)).text
    assert re.search("Distances: +not measured", text)
    assert "not the same as how well it measures" in text
    assert "not measured error of board distances on frames that the solver did not see" in text
    assert "not measured mm" not in text


def test_every_camera_has_its_maps_and_every_pair_its_number(summary):
    page = Page(html_of(summary))
    for camera in summary.cameras:
        assert f"Where {camera.name} saw corners" in page.text
        assert f"Residuals of {camera.name}" in page.text
    assert "Clock offsets of the cameras" in page.text
    assert str(int(summary.shared[0, 1])) in page.text


def test_views_that_are_far_off_are_listed_with_their_errors(summary):
    text = Page(html_of(replace(summary, odd_views={"front frame 66": 63.4}))).text
    assert "Views that are far off" in text
    assert "front frame 66 63.4 px" in text
    assert "Views that are far off" not in Page(html_of(summary)).text


def test_rejected_views_are_named_with_the_reason(summary):
    text = Page(html_of(summary)).text
    assert "1 view contradicted the others" in text
    assert "front frame 7 its corners are 31.0 px off what the other views say (limit 1.0 px)" in text


def test_the_title_says_what_it_was_made_from(summary):
    assert "Calibration from board_take" in Page(html_of(summary, source="board_take")).text
    assert "Calibration of the rig simulated" in Page(html_of(summary)).text


def test_the_clocks_that_nothing_ties_are_said_to_be_assumed(summary):
    cameras = tuple(replace(camera, body="backpack" if "side" in camera.name else "helmet") for camera in summary.cameras)
    text = Page(html_of(replace(summary, cameras=cameras, T_room_target=np.eye(4)[None]))).text
    assert "How far the clocks of backpack are from those of helmet was not measured" in text
    assert "are relative to it" in text
