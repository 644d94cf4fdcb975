"""Let ``python -m bodydouble`` do what the ``bodydouble`` command does."""

from bodydouble.cli.app import main

if __name__ == "__main__":
    main()
