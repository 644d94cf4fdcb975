"""Settings and small files: TOML checked by pydantic, with errors that name the key and the file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, TypeVar

import tomli_w
from pydantic import BaseModel, ConfigDict, ValidationError

from bodydouble.atomic import write_atomically
from bodydouble.errors import UsageError, did_you_mean


class Settings(BaseModel):
    """Base of everything that is read from TOML: immutable, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=False)


SettingsT = TypeVar("SettingsT", bound=BaseModel)


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file as plain values.

    Raises: UsageError if the file is missing or is not TOML.
    """
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{path} does not exist.") from None
    except IsADirectoryError:
        raise UsageError(f"{path} is a folder; a TOML file was expected.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}") from None


def load_settings(path: Path, model: type[SettingsT]) -> SettingsT:
    """Read a TOML file into ``model``.

    Raises: UsageError naming the file, the key, what was found and, for an unknown key, the near ones.
    """
    return parse_settings(read_toml(path), model, source=str(path))


def parse_settings(values: dict[str, Any], model: type[SettingsT], *, source: str) -> SettingsT:
    """Check plain values against ``model``; ``source`` names them in the error."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise UsageError(f"{source}: " + "; ".join(_describe(model, item) for item in error.errors()[:5])) from None


def save_settings(path: Path, settings: BaseModel, *, header: str = "") -> None:
    """Write ``settings`` as TOML, beside the target first and renamed when complete."""
    text = tomli_w.dumps(settings.model_dump(mode="json", exclude_none=True))
    comment = "".join(f"# {line}\n" for line in header.splitlines())
    write_atomically(path, (comment + text).encode("utf-8"))


def _describe(model: type[BaseModel], item: Any) -> str:
    location = ".".join(str(part) for part in item["loc"]) or "file"
    if item["type"] == "extra_forbidden":
        keys = _keys_at(model, item["loc"][:-1])
        listed = f" (valid keys: {', '.join(keys)})" if keys else ""
        return f"unknown key '{location}'{listed}.{did_you_mean(str(item['loc'][-1]), keys)}"
    if item["type"] == "missing":
        return f"key '{location}' is missing"
    return f"'{location}': {item['msg']} (found {item.get('input')!r})"


def _keys_at(model: type[BaseModel], location: tuple[Any, ...]) -> list[str]:
    """List the field names of the nested model that ``location`` leads to, as far as it can be followed."""
    current: Any = model
    for part in location:
        fields = getattr(current, "model_fields", None)
        if fields is None or part not in fields:
            continue  # a dictionary key or list index: the model stays that of its values
        current = _inner_model(fields[part].annotation)
        if current is None:
            return []
    return list(getattr(current, "model_fields", {}))


def _inner_model(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _inner_model(argument)
        if found is not None:
            return found
    return None
