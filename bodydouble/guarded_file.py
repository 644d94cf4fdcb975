"""A file for HDF5 to write to that neither a full disk nor Ctrl-C can bring down."""

from __future__ import annotations

import io
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def new_hdf5_file(path: Path) -> Iterator[tuple[Any, Callable[[], None]]]:
    """Give a new HDF5 file and a check, to be called often, that raises OSError once the disk is full and lets Ctrl-C through.

    Both are checked again after closing.
    """
    import h5py

    with interruptions_held() as let_through, GuardedFile(path) as guarded:

        def check() -> None:
            guarded.check()
            let_through()

        with h5py.File(guarded, "w") as file:
            yield file, check
        guarded.check()


@contextmanager
def interruptions_held() -> Iterator[Callable[[], None]]:
    """Hold Ctrl-C and the like back, and give a function that lets one through that came.

    HDF5 calls ``GuardedFile`` in the middle of its own work: an exception that a signal raises there is a failed write to it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None  # signals are handled in the main thread alone
        return
    came: list[int] = []
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    own = {number: handler for number, handler in handlers.items() if callable(handler)}

    def let_through() -> None:
        if came:
            number = came.pop()
            own[signal.Signals(number)](number, None)

    for number in own:
        signal.signal(number, lambda number, frame: came.append(number))
    try:
        yield let_through
    finally:
        for number, handler in own.items():
            signal.signal(number, handler)
        let_through()


class GuardedFile(io.RawIOBase):
    """A new file for h5py's file-object driver that remembers a failed write instead of reporting it to HDF5.

    HDF5 cannot close a file whose writes fail: on a full disk it ends the process with a segmentation fault. So HDF5 is told that all is
    well, what could not be written stays in memory for the few reads until the file is closed, and the writer calls ``check`` often to
    stop early.
    """

    def __init__(self, path: Path) -> None:
        self._file: Any = open(path, "w+b", buffering=0)  # noqa: SIM115 - closed by close()
        self._unwritten: list[tuple[int, bytes]] = []
        self._end = 0
        self._position = 0
        self.error: OSError | None = None

    def check(self) -> None:
        """Raise the OSError of the first write that failed, if one did."""
        if self.error is not None:
            raise self.error

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to ``offset``."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._end}[whence]
        self._position = start + offset
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def write(self, data: Any) -> int:
        """Write all of ``data``, or keep it in memory once a write has failed."""
        content = bytes(data)
        written = 0
        while self.error is None and written < len(content):
            try:
                self._file.seek(self._position + written)
                written += self._file.write(content[written:])
            except OSError as error:
                self.error = error
        if written < len(content):
            self._unwritten.append((self._position + written, content[written:]))
        self._position += len(content)
        self._end = max(self._end, self._position)
        return len(content)

    def readinto(self, buffer: Any) -> int:
        """Read what was written, to the disk or not."""
        view = memoryview(buffer).cast("B")
        count = max(0, min(len(view), self._end - self._position))
        content = bytearray(count)
        self._file.seek(self._position)
        there = self._file.read(count)
        content[: len(there)] = there
        for offset, data in self._unwritten:
            first, last = max(offset, self._position), min(offset + len(data), self._position + count)
            if first < last:
                content[first - self._position : last - self._position] = data[first - offset : last - offset]
        view[:count] = content
        self._position += count
        return count

    def truncate(self, size: int | None = None) -> int:
        """Set the length."""
        self._end = self._position if size is None else size
        if self.error is None:
            try:
                self._file.truncate(self._end)
            except OSError as error:
                self.error = error
        return self._end

    def flush(self) -> None:
        """Do nothing: nothing is buffered."""

    def readable(self) -> bool:
        """Return True."""
        return True

    def writable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            self._file.close()
        super().close()
