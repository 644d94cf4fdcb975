import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bodydouble.cache import cache_folder, cached, clear, content_key, file_sha256
from bodydouble.config import Settings


class Options(Settings):
    weight: float = 1.0


@dataclasses.dataclass(frozen=True)
class Value:
    name: str
    data: np.ndarray


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BODYDOUBLE_CACHE", str(tmp_path / "a"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "b"))
    assert cache_folder() == tmp_path / "a"
    monkeypatch.delenv("BODYDOUBLE_CACHE")
    assert cache_folder() == tmp_path / "b" / "bodydouble"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "bodydouble"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 2),
        (1, 1.0),
        ("1", 1),
        (None, False),
        ([1, 2], [2, 1]),
        ([[1], 2], [[1, 2]]),
        ({"a": 1}, {"a": 2}),
        (Options(weight=1.0), Options(weight=2.0)),
        (np.zeros(4), np.zeros((2, 2))),
        (np.zeros(4), np.zeros(4, np.float32)),
        (np.zeros(2), np.array([0.0, 1.0])),
        (Value("a", np.zeros(2)), Value("a", np.ones(2))),
        (Value("a", np.zeros(2)), Value("b", np.zeros(2))),
    ],
)
def test_different_contents_have_different_keys(one: Any, other: Any) -> None:
    assert content_key(one) != content_key(other)


def test_equal_contents_have_equal_keys() -> None:
    assert content_key({"a": 1, "b": [np.zeros(3)]}) == content_key({"b": [np.zeros(3)], "a": 1})
    assert content_key(np.zeros((4, 4))[:, ::2]) == content_key(np.zeros((4, 2)))


def test_a_file_counts_by_its_contents(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"same")
    two.write_bytes(b"same")
    assert content_key(one) == content_key(two)
    two.write_bytes(b"different")
    assert content_key(one) != content_key(two)


def test_a_changed_file_has_another_hash(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"one")
    before = file_sha256(path)
    path.write_bytes(b"other")
    assert file_sha256(path) != before


def numbers(computed: list[int]) -> dict[str, Any]:
    def compute() -> list[int]:
        computed.append(1)
        return [1, 2, 3]

    return {
        "compute": compute,
        "save": lambda value, path: path.write_text(json.dumps(value)),
        "load": lambda path: json.loads(path.read_text()),
    }


def test_a_result_is_computed_once(isolated_cache: Path) -> None:
    computed: list[int] = []
    for _ in range(2):
        assert cached("stage", "key", ".json", **numbers(computed)) == [1, 2, 3]
    assert computed == [1]
    assert (isolated_cache / "stage" / "key.json").exists()


def test_a_damaged_result_is_computed_anew(isolated_cache: Path) -> None:
    computed: list[int] = []
    cached("stage", "key", ".json", **numbers(computed))
    (isolated_cache / "stage" / "key.json").write_text("[1, 2")
    assert cached("stage", "key", ".json", **numbers(computed)) == [1, 2, 3]
    assert computed == [1, 1]


@pytest.mark.parametrize("error", [TypeError, AttributeError, RuntimeError, IndexError])
def test_whatever_reading_a_damaged_result_raises_it_is_computed_anew(isolated_cache: Path, error: type[Exception]) -> None:
    def load(path: Path) -> list[int]:
        raise error

    computed: list[int] = []
    for _ in range(2):
        assert cached("stage", "key", ".json", **{**numbers(computed), "load": load}) == [1, 2, 3]
    assert computed == [1, 1]


def test_a_computation_that_is_stopped_leaves_nothing(isolated_cache: Path) -> None:
    def stop() -> list[int]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached("stage", "key", ".json", **{**numbers([]), "compute": stop})
    assert not list(isolated_cache.rglob("*.json"))


def test_clearing_a_stage_leaves_the_others(isolated_cache: Path) -> None:
    for stage in ("one", "two"):
        cached(stage, "key", ".json", **numbers([]))
    clear("one")
    assert [p.name for p in isolated_cache.iterdir()] == ["two"]
    clear()
    assert not isolated_cache.exists()
