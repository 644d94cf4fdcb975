"""Where ``bodydouble`` and ``python -m bodydouble`` begin."""

import sys


def main() -> None:
    """Run the command line. Ctrl-C during its imports, too, leaves no stack trace."""
    try:
        from bodydouble.cli.app import main as run
    except KeyboardInterrupt:
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
