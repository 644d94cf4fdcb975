from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from bodydouble import diagnosis
from bodydouble.cli.doctor import app
from bodydouble.diagnosis import Check

run = CliRunner()
PASSED = Check("python", "PASS", "3.11")
WARNED = Check("cores", "WARN", "1", "use more")
FAILED = Check("libGL.so.1", "FAIL", "does not load [here]", "apt-get install libgl1")


@pytest.mark.parametrize(("checks", "code"), [([PASSED], 0), ([PASSED, WARNED], 0), ([PASSED, WARNED, FAILED], 1)])
def test_only_a_failure_exits_1(monkeypatch: pytest.MonkeyPatch, checks: list[Check], code: int) -> None:
    monkeypatch.setattr(diagnosis, "diagnose", lambda: checks)
    assert run.invoke(app, []).exit_code == code
    assert run.invoke(app, ["--json"]).exit_code == code


def test_each_remedy_is_printed_under_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "diagnose", lambda: [PASSED, WARNED, FAILED])
    text = run.invoke(app, []).stdout
    assert "WARN cores: use more" in text
    assert "FAIL libGL.so.1: apt-get install libgl1" in text
    assert "does not load [here]" in text
    assert "3 checks: 1 PASS, 1 WARN, 1 FAIL" in text


def test_programs_get_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "diagnose", lambda: [PASSED, FAILED])
    report = json.loads(run.invoke(app, ["--json"]).stdout)
    assert report["verdict"] == "FAIL"
    assert report["checks"][1] == {
        "name": "libGL.so.1",
        "verdict": "FAIL",
        "found": "does not load [here]",
        "remedy": "apt-get install libgl1",
    }
