"""Options of every command that fits a person: which cameras, and how tall the person is."""

from __future__ import annotations


def check_stature(stature: float | None) -> None:
    """Check what ``--stature`` says. Raises: UsageError for what is no person's height in metres."""
    from bodydouble.errors import UsageError

    if stature is not None and not 0.5 <= stature <= 2.5:
        raise UsageError(f"--stature {stature} is not a person's height in metres; expected 0.5 to 2.5, e.g. --stature 1.73.")


def chosen_cameras(cameras: list[str]) -> tuple[str, ...]:
    """Return the names that ``--cameras`` says, none if it was left out. Raises: UsageError if it names none."""
    from bodydouble.datasets.pipeline import cameras_from
    from bodydouble.errors import UsageError

    chosen = cameras_from(cameras)
    if cameras and not chosen:
        raise UsageError(
            f"--cameras '{','.join(cameras)}' names no camera; give names separated by commas, or leave it out for all cameras."
        )
    return chosen
