"""Work done in processes of their own, which neither Ctrl-C nor the death of any of them leaves behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.context import SpawnProcess
from queue import Empty
from typing import Any, TypeVar

from bodydouble.atomic import OutOfSpaceError
from bodydouble.errors import BodydoubleError, DataError, MissingDependencyError, UsageError

Job = TypeVar("Job")


def run_in_processes(
    jobs: Sequence[tuple[str, Job]], work: Callable[[Job, Callable[[], None]], None], *, workers: int, told: Callable[[], None]
) -> None:
    """Run ``work(job, tell)`` for every job in a process of its own, at most ``workers`` at a time; each ``tell()`` there calls ``told()`` here.

    Each job comes with its name, as errors name it at the start of a sentence, e.g. "The renderer"; several may share one. ``work`` and the jobs must be
    picklable.

    Raises: DataError if a process is killed or its work fails; what the work raises of ``bodydouble.errors``.
    """
    context = multiprocessing.get_context("spawn")
    reports: Any = context.Queue()
    waiting, running = list(enumerate(jobs)), dict[int, SpawnProcess]()
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                number, (_, job) = waiting.pop(0)
                process = context.Process(target=_work, args=(number, job, work, reports), daemon=True)
                with _ctrl_c_held():
                    process.start()
                running[number] = process
            _check_alive([(jobs[number][0], process) for number, process in running.items()])
            try:
                kind, number, message = reports.get(timeout=0.2)
            except Empty:
                continue
            if kind == "told":
                told()
            elif kind == "end":
                running.pop(number).join()
            elif isinstance(message, BodydoubleError):
                raise message
            else:
                raise DataError(f"{jobs[number][0]} failed: {message}")
    finally:
        for process in running.values():
            process.terminate()
        for process in running.values():
            process.join()


@contextmanager
def _ctrl_c_held() -> Iterator[None]:
    """Keep Ctrl-C waiting, and from a process started here for good: it would die of it in the middle of its imports, with a stack trace."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _check_alive(running: Sequence[tuple[str, SpawnProcess]]) -> None:
    for name, process in running:
        if not process.is_alive() and process.exitcode != 0:
            code = process.exitcode or 0
            how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
            raise DataError(
                f"{name} {how}; the memory may have run out. What was finished is kept: run the same command again, with "
                "--workers 1 if it happens again."
            )


def _work(number: int, job: Job, work: Callable[[Job, Callable[[], None]], None], reports: Any) -> None:
    """Do one job, in a process of its own."""
    _end_with_parent()
    os.dup2(
        os.open(os.devnull, os.O_WRONLY), 2
    )  # native libraries' log lines would tear the progress bars; errors travel through the queue
    try:
        work(job, lambda: reports.put(("told", number, "")))
        reports.put(("end", number, ""))
    except BodydoubleError as error:
        reports.put(("error", number, error if _travels(error) else str(error)))
    except Exception as error:
        reports.put(("error", number, f"{type(error).__name__}: {error}"))


def _end_with_parent() -> None:
    """End this process when the one that started it has ended, even if that was killed and could not say so."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _travels(error: BodydoubleError) -> bool:
    """Tell whether an error can be sent to another process whole: its class takes one message."""
    return len(error.args) == 1 and type(error) in (BodydoubleError, DataError, MissingDependencyError, OutOfSpaceError, UsageError)
