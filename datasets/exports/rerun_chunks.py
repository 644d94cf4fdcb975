"""Writing and reading Rerun's ``.rrd`` files chunk by chunk, without a recording stream: no clock, no network, no analytics.

Rerun's own logging calls stamp every row with the time and a random number, can be switched off by the environment variable RERUN, and belong to a
process-wide session. Chunks made from columns need none of that. Their identities are replaced by ones that count up from the episode's, so that
the same episode gives the same chunks. The file around them still has two places that Rerun fills anew every time: the row number of its header, and the
order of the columns in the index at its end.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec
from os import strerror
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bodydouble.errors import DataError, MissingDependencyError

APPLICATION = "bodydouble"
INSTALL = "pip install 'bodydouble[rerun]'"
TIME_DIGITS = 15
"""Hexadecimal digits of the episode's identity that stand for the time in Rerun's row numbers, which has 64 bits and a sign."""


def check_installed() -> None:
    """Check that Rerun's library is there and new enough. Raises: MissingDependencyError that says how to get it."""
    if find_spec("rerun") is None:
        raise MissingDependencyError(f"The format 'rerun' needs the library rerun-sdk, which is not installed. Run `{INSTALL}`.")
    if find_spec("rerun.chunk") is None:
        raise MissingDependencyError(
            f"The format 'rerun' needs rerun-sdk 0.41 or newer; the one that is installed is older. Run `{INSTALL}`."
        )


class Chunks:
    """Makes the chunks of one recording from columns and gives them identities that depend on nothing but the episode and their order."""

    def __init__(self, identity: str) -> None:
        self._time = int(identity[:TIME_DIGITS], 16).to_bytes(8, "big")
        self._next = 1

    def timed(self, entity: str, times: Mapping[str, Any], columns: Iterable[Any]) -> Any:
        """Return a chunk of rows over time. ``times``: timeline to seconds (float) or numbers (int) of the rows."""
        import rerun as rr

        lines = [
            rr.TimeColumn(name, sequence=values) if values.dtype.kind in "iu" else rr.TimeColumn(name, duration=_nanoseconds(values))
            for name, values in times.items()
        ]
        return self._named(entity, lines, columns)

    def static(self, entity: str, values: Any) -> Any:
        """Return a chunk of one archetype that holds at all times."""
        import rerun as rr

        batches = values.as_component_batches()
        columns = [rr.ComponentColumn(one.component_descriptor(), one, lengths=[len(one.as_arrow_array())]) for one in batches]
        return self._named(entity, [], columns)

    def _named(self, entity: str, times: list[Any], columns: Iterable[Any]) -> Any:
        import pyarrow as pa
        from rerun.chunk import Chunk

        batch = Chunk.from_columns(entity, times, columns).to_record_batch()
        numbers = [self._time + number.to_bytes(8, "big") for number in range(self._next, self._next + batch.num_rows + 1)]
        self._next += len(numbers)
        schema = batch.schema.with_metadata({**batch.schema.metadata, b"rerun:id": f"chunk_{numbers[-1].hex().upper()}".encode()})
        rows = pa.array(numbers[:-1], type=schema.field(0).type)
        (named,) = Chunk.from_record_batch(pa.RecordBatch.from_arrays([rows, *batch.columns[1:]], schema=schema))
        return named


def _nanoseconds(times_s: npt.NDArray[np.float64]) -> npt.NDArray[np.timedelta64]:
    """Round times to what Rerun keeps; it would cut them off."""
    return np.rint(times_s * 1e9).astype("timedelta64[ns]")


def write_chunks(path: Path, chunks: Iterable[Any], recording_id: str) -> None:
    """Write chunks, one after the other as they are made, to an ``.rrd`` file. Raises: OSError; whatever making a chunk raises."""
    from rerun.chunk import LazyChunkStream
    from rerun.error_utils import RerunWarning

    failed: list[BaseException] = []

    def guarded() -> Iterator[Any]:
        try:
            yield from chunks
        except BaseException as error:  # Rerun would make a RuntimeError of it, even of Ctrl-C
            failed.append(error)
            raise

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RerunWarning)  # it warns, and leaves out, where a value cannot be converted
            LazyChunkStream.from_iter(guarded()).write_rrd(path, application_id=APPLICATION, recording_id=recording_id)
    except RuntimeError as error:
        if failed:
            raise failed[0] from None
        number = re.search(r"os error (\d+)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), strerror(int(number[1])), str(path)) from None


def read_chunks(path: Path) -> tuple[str, Iterator[Any]]:
    """Return the recording's identity and its chunks, read one after the other. Raises: DataError where it is no whole file of one recording."""
    from rerun.chunk import RrdReader
    from rerun.error_utils import RerunWarning

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RerunWarning)  # a file that was cut off is only warned of
            reader = RrdReader(path)
            (recording,) = reader.recordings()
            return str(recording.recording_id), _read(path, reader.stream())
    except (RuntimeError, ValueError, RerunWarning) as error:
        raise _unreadable(path, error) from None


def _read(path: Path, stream: Iterable[Any]) -> Iterator[Any]:
    try:
        yield from stream
    except (RuntimeError, ValueError) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(f"{path} cannot be read as a whole Rerun recording: {error}. Make the export again.")
