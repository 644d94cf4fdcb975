"""Progress bars, one a stage, with the time left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

StageProgress = Callable[[str, float, float], None]


@contextmanager
def stage_bars(stages: dict[str, str], *, shown: bool = True) -> Iterator[StageProgress]:
    """Show a bar for each of ``stages`` (key to what the user reads) on stderr; yield ``progress(stage, done, total)``."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description:<38}"), BarColumn(bar_width=28), TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("[dim]time"), TimeElapsedColumn(), TextColumn("[dim]left"), TimeRemainingColumn(),
    )  # fmt: skip
    bars = Progress(*columns, console=Console(stderr=True), disable=not shown)
    tasks: dict[str, TaskID] = {}

    def progress(stage: str, done: float, total: float) -> None:
        if not tasks:
            bars.start()  # not before: an error before the first stage is one line and not a blank one as well
        if stage not in tasks:
            tasks[stage] = bars.add_task(stages[stage], total=total)
        bars.update(tasks[stage], completed=done, total=total)

    try:
        yield progress
    finally:
        if tasks:
            bars.stop()
