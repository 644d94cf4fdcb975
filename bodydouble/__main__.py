"""Where ``bodydouble`` and ``python -m bodydouble`` begin."""

import sys


def main() -> None:
    """Run the command line. Ctrl-C during its imports, too, leaves no stack trace."""
    try:
        from bodydouble.cli.app import main as run
    except KeyboardInterrupt:
        _leave(130)
    try:
        run()
    except SystemExit as left:
        if isinstance(left.code, int) and left.code > 128:
            _leave(left.code)
        raise


def _leave(code: int) -> None:
    """End with ``code`` after an interruption.

    `sys.exit` would not do: where Ctrl-C came while a text was being executed, as libraries do when they are imported, Python remembers it and dies of the
    signal in the end, whatever it was told to exit with.
    """
    import atexit
    import os
    from contextlib import suppress

    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
