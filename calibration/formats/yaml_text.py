"""YAML as Kalibr, ROS and OpenCV write it, as plain values."""

from __future__ import annotations

import math
import re
from collections.abc import Hashable
from typing import Any

import numpy as np

_DIRECTIVE = re.compile(r"\A((?:[ \t]*(?:#[^\n]*)?\n)*)%YAML[^\n]*")
"""OpenCV writes ``%YAML:1.0``, which is not YAML, or ``%YAML 1.2``, which libyaml takes for a later version than its own."""
_ODD_FLOATS = {".nan": math.nan, ".inf": math.inf, "+.inf": math.inf, "-.inf": -math.inf}
"""OpenCV capitalises them in a way that YAML does not know."""


def parse_yaml(text: str) -> Any:
    """Return the values of a YAML text; ``!!opencv-matrix`` becomes an array (rows, cols) of float64.

    Raises: ValueError with one sentence when it is not YAML, or a mapping names a key twice.
    """
    import yaml

    try:
        return yaml.load(_DIRECTIVE.sub(r"\1", text, count=1), Loader=_loader())
    except yaml.MarkedYAMLError as error:
        at = f" (line {error.problem_mark.line + 1})" if error.problem_mark else ""
        raise ValueError(f"it is not valid YAML: {error.problem or error.context}{at}") from None
    except yaml.YAMLError as error:
        raise ValueError(f"it is not valid YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise ValueError("it is not a calibration: its values are nested too deep") from None


def number(value: Any) -> float:
    """Return a YAML scalar as a number: also ``1e-05``, which YAML 1.1 takes for text, and OpenCV's ``.Nan``. Raises: ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"{value!r} is not a number")
    if isinstance(value, str) and value.lower() in _ODD_FLOATS:
        return _ODD_FLOATS[value.lower()]
    try:
        return float(value)
    except ValueError:
        raise ValueError(f"{value!r} is not a number") from None


def _loader() -> Any:
    import yaml

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml is ten times faster; not every build has it

    class Loader(base):  # type: ignore[misc]
        pass

    def mapping(loader: Any, node: Any) -> dict[Hashable, Any]:
        loader.flatten_mapping(node)
        values: dict[Hashable, Any] = {}
        for key_node, value_node in node.value:
            key = loader.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise yaml.constructor.ConstructorError(None, None, "a key is a list or a mapping", key_node.start_mark)
            if key in values:
                raise yaml.constructor.ConstructorError(None, None, f"it names '{key}' twice", key_node.start_mark)
            values[key] = loader.construct_object(value_node, deep=True)
        return values

    def matrix(loader: Any, node: Any) -> Any:
        values = mapping(loader, node)
        try:
            return matrix_from(values)
        except ValueError as error:
            raise yaml.constructor.ConstructorError(None, None, str(error), node.start_mark) from None

    Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)
    Loader.add_constructor("tag:yaml.org,2002:opencv-matrix", matrix)
    return Loader


def matrix_from(values: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the array (rows, cols) of a mapping with ``rows``, ``cols`` and ``data``, as OpenCV and ROS write it. Raises: ValueError."""
    try:
        rows, columns, data = int(values["rows"]), int(values["cols"]), values["data"]
    except (KeyError, TypeError, ValueError):
        raise ValueError("a matrix lacks rows, cols or data") from None
    if not isinstance(data, list):
        raise ValueError("the data of a matrix is not a list of numbers")
    numbers = np.array([number(value) for value in data])
    channels = max(1, len(numbers) // max(1, rows * columns))
    if len(numbers) != rows * columns * channels:
        raise ValueError(f"a matrix of {rows} x {columns} has {len(numbers)} numbers")
    return numbers.reshape(rows, columns * channels)
