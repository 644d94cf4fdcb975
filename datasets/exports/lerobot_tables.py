"""The parquet and JSON files of a LeRobot dataset, the same bytes for the same content."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bodydouble.datasets.exports.lerobot_features import Columns
from bodydouble.datasets.exports.lerobot_statistics import FIGURES, Statistics
from bodydouble.errors import DataError

_PANDAS_TEXT = {"pandas_type": "unicode", "numpy_type": "object"}
_TASKS_FOR_PANDAS = {
    "index_columns": ["task"],
    "column_indexes": [{"name": None, "field_name": None, **_PANDAS_TEXT, "metadata": {"encoding": "UTF-8"}}],
    "columns": [
        {"name": "task_index", "field_name": "task_index", "pandas_type": "int64", "numpy_type": "int64", "metadata": None},
        {"name": "task", "field_name": "task", **_PANDAS_TEXT, "metadata": None},
    ],
    "attributes": {}, "creator": {"library": "bodydouble", "version": "1"}, "pandas_version": "2.0.0",
}  # fmt: skip
"""Makes pandas, with which LeRobot reads the table, take the texts as its index."""


def write_json(path: Path, content: Any) -> None:
    """Write indented JSON. Raises: ValueError for a number that is not finite."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=4, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def write_json_lines(path: Path, rows: Iterable[Any]) -> None:
    """Write one JSON object a line. Raises: ValueError for a number that is not finite."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows), encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read a JSON file. Raises: DataError."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None


def read_json_lines(path: Path) -> list[Any]:
    """Read a file of one JSON value a line. Raises: DataError."""
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None


def write_frames(path: Path, columns: Columns) -> None:
    """Write the columns (N,) or (N, D) of one episode; one number a frame is stored as a number, not as a list of one."""
    import pyarrow as pa

    arrays = {}
    for name, values in columns.items():
        flat = pa.array(np.ascontiguousarray(values).reshape(-1))
        width = 1 if values.ndim == 1 else values.shape[1]
        arrays[name] = flat if width == 1 else pa.FixedSizeListArray.from_arrays(flat, width)
    _write(path, pa.table(arrays))


def read_frames(path: Path) -> Columns:
    """Return the columns (N,) or (N, D) of one episode. Raises: DataError."""
    import pyarrow as pa

    columns: Columns = {}
    for name, column in zip((table := read_table(path)).column_names, table.columns, strict=True):
        chunk = column.combine_chunks()
        fixed = pa.types.is_fixed_size_list(chunk.type)
        values = (chunk.flatten() if fixed else chunk).to_numpy(zero_copy_only=False)
        columns[name] = values.reshape(-1, chunk.type.list_size) if fixed else values
    return columns


def write_tasks(path: Path, tasks: Sequence[str]) -> None:
    """Write the table of tasks, each at its index, as pandas would."""
    import pyarrow as pa

    table = pa.table({"task_index": pa.array(range(len(tasks)), pa.int64()), "task": pa.array(tasks, pa.string())})
    _write(path, table.replace_schema_metadata({"pandas": json.dumps(_TASKS_FOR_PANDAS)}))


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows that have the same columns; the first gives their order."""
    import pyarrow as pa

    _write(path, pa.table({name: [row[name] for row in rows] for name in rows[0]}))


def read_table(path: Path) -> Any:
    """Read a parquet file as pyarrow.Table. Raises: DataError."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path).read()
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from None


def _write(path: Path, table: Any) -> None:
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, compression="snappy", use_dictionary=True)


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(f"{path} cannot be read: {error}. Make the export again.")


def plain_statistics(statistics: Mapping[str, Statistics], figures: Sequence[str] = FIGURES) -> dict[str, dict[str, Any]]:
    """Return statistics as nested lists, for JSON."""
    return {feature: {name: values[name].tolist() for name in figures} for feature, values in statistics.items()}


def statistics_from(plain: Mapping[str, Mapping[str, Any]]) -> dict[str, Statistics]:
    """Return what ``plain_statistics`` was made of."""
    return {feature: {name: np.asarray(values[name]) for name in FIGURES} for feature, values in plain.items()}
