"""What to do about a calibration: one line for a kind of check, FAIL first."""

from __future__ import annotations

from bodydouble.calibration.report.actions import actions, judged
from bodydouble.calibration.report.checks import CalibrationCheck
from bodydouble.check import Verdict


def check(kind: str, verdict: Verdict, remedy: str = "", *subjects: str, shown: str = "2 mm", limit: str = "passes at 1 mm or less"):
    return CalibrationCheck(kind, verdict, f"{shown} ({limit})", remedy, kind, kind.title(), subjects, 2.0, shown, limit)


def test_failures_come_first_and_otherwise_the_order_is_kept():
    found = actions([check("a", "WARN"), check("b", "PASS"), check("c", "FAIL"), check("d", "WARN"), check("e", "FAIL")])
    assert [(action.title, action.verdict) for action in found] == [("C", "FAIL"), ("E", "FAIL"), ("A", "WARN"), ("D", "WARN")]


def test_cameras_with_the_same_trouble_share_a_line_and_a_remedy():
    (action,) = actions(
        [check("a", "WARN", f"Film '{name}'.", name, shown=f"{k} mm") for k, name in enumerate(("one", "two", "three"), start=2)]
    )
    assert action.found == ("'one': 2 mm", "'two': 3 mm", "'three': 4 mm")
    assert action.limit == "passes at 1 mm or less"
    assert action.remedy == "Film 'one'. The same for 'two' and 'three'."


def test_remedies_that_differ_in_more_than_a_name_are_all_given():
    (action,) = actions([check("a", "WARN", "Film the left of 'one'.", "one"), check("a", "WARN", "Film the right of 'two'.", "two")])
    assert action.remedy == "Film the left of 'one'. Film the right of 'two'."


def test_pairs_are_named_as_pairs():
    (action,) = actions([check("a", "FAIL", f"Film '{x}' and '{y}'.", x, y) for x, y in (("one", "two"), ("two", "three"))])
    assert action.found == ("'one' and 'two': 2 mm", "'two' and 'three': 2 mm")
    assert action.remedy == "Film 'one' and 'two'. The same for 'two' and 'three'."


def test_what_failed_and_what_only_warns_are_two_lines():
    found = actions([check("a", "WARN", "Film 'one'.", "one"), check("a", "FAIL", "Film 'two'.", "two")])
    assert [(action.verdict, action.remedy) for action in found] == [("FAIL", "Film 'two'."), ("WARN", "Film 'one'.")]


def test_the_judgement_counts_each_kind_once():
    assert judged([check("a", "PASS"), check("b", "PASS")]) == "all 2 checks pass"
    assert judged([check("a", "WARN", "", "one"), check("a", "WARN", "", "two"), check("b", "PASS")]) == "1 warning"
    assert judged([check("a", "FAIL"), check("b", "FAIL"), check("c", "WARN"), check("d", "WARN")]) == "2 checks failed and 2 warnings"


def test_where_all_is_well_there_is_nothing_to_do():
    assert actions([check("a", "PASS")]) == []
    assert actions([]) == []
