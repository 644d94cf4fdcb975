"""The ``bodydouble`` command: which verbs there are, and how errors leave it."""

from __future__ import annotations

import importlib
import io
import os
import signal
import sys
from types import FrameType
from typing import Any

import typer
from typer.core import TyperGroup

from bodydouble.errors import BodydoubleError, UnknownNameError

VERBS = {
    "doctor": "Check this machine: libraries, models, disk, cores; each with a remedy.",
    "assets": "List, fetch or add the models and sample recordings.",
    "import": "Make a recording from synchronised videos.",
    "calibrate": "Calibrate a lens, a rig, a room; convert calibrations; find a camera that moved.",
    "board": "Print calibration boards to scale, and find out which one an image shows.",
    "simulate": "Make a recording of a simulated person, with known truth.",
    "process": "Turn a recording into a training episode.",
    "evaluate": "Judge an estimate: against the truth of a simulated recording, and by itself.",
    "retarget": "Move a robot as a person moved, and say how well.",
    "robots": "List robots, check a robot's file, or draft one from its URDF or MJCF.",
    "inspect": "Show what is in an episode.",
    "validate": "Check episodes against the schema and its rules.",
    "export": "Export episodes for training: LeRobot, GR00T, robomimic, ALOHA, EgoDex, motion tracking, Rerun, BVH.",
    "dataset": "Show, merge and thin exports.",
    "render": "Make a preview video: cameras with skeleton beside the robot.",
    "demo": "Run the whole way on the real sample recording.",
}
"""Verb to one line of help.

Each is ``bodydouble/cli/<verb>.py`` (``import_recording`` for ``import``) with a typer ``app``, imported when used.
"""

_MODULES = {"import": "import_recording"}


class Stopped(Exception):  # noqa: N818 - not an error: somebody wanted it to stop
    """Ctrl-C or a request to end while a verb ran; typer would otherwise leave without a word."""


class LazyVerbs(TyperGroup):
    """Lists every verb, but imports a verb's module only when it is called (``--help`` stays fast)."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        """Return the verbs in the order of the table above."""
        return list(VERBS)

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]
        """Return a verb's command; before `resolve_command` only a stand-in, enough for a line of help."""
        if cmd_name not in VERBS:
            return None
        if ctx.meta.get("bodydouble.verb") != cmd_name:
            return typer.core.TyperCommand(cmd_name, help=VERBS[cmd_name])
        module = importlib.import_module(f"bodydouble.cli.{_MODULES.get(cmd_name, cmd_name)}")
        command: Any = typer.main.get_command(module.app)
        command.name = cmd_name
        return command

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> Any:  # type: ignore[override]
        """Take the verb for a call; from here on its module is needed."""
        if args and not args[0].startswith("-") and args[0] not in VERBS:
            raise UnknownNameError("command", args[0], "bodydouble", VERBS)
        ctx.meta["bodydouble.verb"] = args[0] if args else None
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        """Run the verb, and tell `main` of a Ctrl-C."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Stopped from None


app = typer.Typer(cls=LazyVerbs, no_args_is_help=True, add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


def _print_version(value: bool) -> None:
    if value:
        from bodydouble import __version__

        typer.echo(f"bodydouble {__version__}")
        raise typer.Exit


@app.callback()
def bodydouble(
    version: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
) -> None:
    """Turn people showing a task into episodes that a humanoid robot can be trained on.

    Example: bodydouble process REC -o episode.h5
    """


def main() -> None:
    """Run the command line; a user's mistake leaves one sentence and an exit code, never a stack trace."""
    os.environ.setdefault("GLOG_minloglevel", "2")  # MediaPipe and TensorFlow Lite talk on stderr by default
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if os.environ.get("COLUMNS") == "0":
        del os.environ["COLUMNS"]  # from a shell without a terminal; rich would print into no column at all
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="replace")  # a terminal that lacks a sign, or a file name that is no text, must not end a run
    came = _stop_in_order()
    try:
        try:
            app()
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()  # here, where a full disk or a closed pipe can still be told
    except (Exception, KeyboardInterrupt) as error:
        # Once somebody wanted it to stop, whatever else went wrong came of that: libraries turn the interruption into errors of their own.
        if came or isinstance(error, (Stopped, KeyboardInterrupt)):
            typer.echo("Stopped. What was finished is kept; the same command goes on from there.", err=True)
            sys.exit(128 + (came[0] if came else signal.SIGINT))
        if isinstance(error, BodydoubleError):
            _tell(str(error))
            sys.exit(error.exit_code)
        if not isinstance(error, BrokenPipeError):
            if os.environ.get("BODYDOUBLE_DEBUG"):
                raise
            _tell(_unforeseen(error))
        _drop_stdout()
        sys.exit(1)


def _stop_in_order() -> list[int]:
    """Let the first Ctrl-C, SIGTERM or lost terminal unwind the program, so that it ends its processes and removes half files.

    Returns the signals that came, which fills later.
    """
    came: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        came.append(number)
        for other in handled:
            signal.signal(other, signal.SIG_IGN)  # impatience must not interrupt the tidying up
        raise KeyboardInterrupt

    # A signal that the caller had ignored, such as nohup's SIGHUP, stays so.
    defaults = (signal.SIG_DFL, signal.default_int_handler)
    handled = [number for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) in defaults]
    for number in handled:
        signal.signal(number, stop)
    return came


def _tell(message: str) -> None:
    from rich.console import Console
    from rich.text import Text

    # As text, not as markup: a path such as take[1] would lose its brackets.
    Console(stderr=True, soft_wrap=True).print(Text.assemble(("Error: ", "bold red"), message))


def _unforeseen(error: Exception) -> str:
    """Return one sentence for an error that no other place made one for: the system refused something, or it is our mistake."""
    if isinstance(error, OSError) and error.errno is not None:
        where = f"{error.filename}: " if error.filename is not None else ""
        return f"{where}{error.strerror}. Check the path, its permissions and the free space, and run again."
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    place = f" at {os.path.basename(last.tb_frame.f_code.co_filename)}:{last.tb_lineno}" if last else ""
    text = " ".join(str(error).split())
    return (
        f"{type(error).__name__}{place}: {text}. This should not happen, so please report it; what was written before is kept. "
        "BODYDOUBLE_DEBUG=1 shows where it comes from."
    )


def _drop_stdout() -> None:
    """Send what is still in stdout's buffer nowhere: whoever should read it is gone."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
