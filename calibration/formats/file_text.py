"""The text of a calibration file, or one sentence on why there is none."""

from __future__ import annotations

from pathlib import Path

from bodydouble.errors import UsageError


def read_text(path: Path, expected: str) -> str:
    """Return the text of a file in UTF-8, with or without a byte order mark; ``expected`` says what it should be, for the error.

    Raises: UsageError if the file is missing, a folder, unreadable, empty or not UTF-8.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise UsageError(f"{path} does not exist.") from None
    except IsADirectoryError:
        raise UsageError(f"{path} is a folder; {expected} was expected.") from None
    except PermissionError:
        raise UsageError(f"{path} may not be read; change its permissions.") from None
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path} is not text in UTF-8 (byte {error.start} is {error.object[error.start]:#04x}); {expected} was expected."
        ) from None
    if not text.strip():
        raise UsageError(f"{path} is empty; {expected} was expected.")
    return text
