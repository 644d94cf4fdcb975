"""What to do about a calibration: checks that did not pass, those of one kind together, with what to mend first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bodydouble.calibration.report.checks import CalibrationCheck
from bodydouble.calibration.report.text import listed
from bodydouble.check import Verdict


@dataclass(frozen=True)
class Action:
    """What one kind of check found wrong, with which cameras, and the remedy."""

    verdict: Verdict
    title: str
    found: tuple[str, ...]
    """One for each camera, pair or target."""
    limit: str
    remedy: str


def actions(checks: Sequence[CalibrationCheck]) -> list[Action]:
    """Return what did not pass: FAIL first, and causes before what they bring about, as ``thresholds.toml`` has them."""
    groups: dict[tuple[str, str], list[CalibrationCheck]] = {}
    for check in checks:
        if check.verdict != "PASS":
            groups.setdefault((check.check, check.verdict), []).append(check)
    found = [Action(group[0].verdict, group[0].title, _found(group), group[0].limit, _remedy(group)) for group in groups.values()]
    return sorted(found, key=lambda action: action.verdict != "FAIL")


def judged(checks: Sequence[CalibrationCheck]) -> str:
    """Return "2 checks failed and 1 warning" or "all 19 checks pass", with checks of one kind counted once."""
    wrong = actions(checks)
    failed, warned = (sum(action.verdict == verdict for action in wrong) for verdict in ("FAIL", "WARN"))
    parts = [f"{failed} check{'' if failed == 1 else 's'} failed"] if failed else []
    parts += [f"{warned} warning{'' if warned == 1 else 's'}"] if warned else []
    return " and ".join(parts) or f"all {len(checks)} checks pass"


def _found(group: Sequence[CalibrationCheck]) -> tuple[str, ...]:
    return tuple(f"{listed(check.subjects)}: {check.shown}" if check.subjects else check.shown for check in group)


def _remedy(group: Sequence[CalibrationCheck]) -> str:
    """Return the remedies one after the other; one that differs from another only in whom it speaks of is not repeated."""
    same: dict[str, list[CalibrationCheck]] = {}
    for check in group:
        pattern = check.remedy
        for number, name in enumerate(check.subjects):
            pattern = pattern.replace(f"'{name}'", f"\0{number}")
        same.setdefault(pattern, []).append(check)
    texts = []
    for alike in same.values():
        others = [check.subjects for check in alike[1:] if check.subjects]
        names = listed(names[0] for names in others) if all(len(names) == 1 for names in others) else "; ".join(map(listed, others))
        texts.append(alike[0].remedy + (f" The same for {names}." if others else ""))
    return " ".join(texts)
