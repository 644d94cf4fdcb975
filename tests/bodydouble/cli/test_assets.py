from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bodydouble import asset_catalogue, assets
from bodydouble.cli.assets import app

run = CliRunner()


@pytest.fixture(autouse=True)
def _small_catalogue(index: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asset_catalogue, "catalogue", assets.catalogue)


def test_the_list_says_what_is_missing_and_how_to_get_it() -> None:
    done = run.invoke(app, ["list"])
    assert done.exit_code == 0
    assert "street" in done.stdout
    assert "missing" in done.stdout
    assert "bodydouble assets fetch" in done.stdout


def test_the_list_for_programs_is_json() -> None:
    run.invoke(app, ["fetch", "street"])
    rows = json.loads(run.invoke(app, ["list", "--json"]).stdout)
    assert [(r["name"], r["kind"], r["state"], r["license"]) for r in rows] == [
        ("street", "sample", "ready", "BSD-3-Clause"),
        ("tiny.task", "model", "ready", "BSD-3-Clause"),
    ]
    assert all(Path(r["path"]).exists() for r in rows)
    assert rows[0]["size_bytes"] == sum(p.stat().st_size for p in Path(rows[0]["path"]).rglob("*") if p.is_file())


def test_fetching_without_names_fetches_everything() -> None:
    done = run.invoke(app, ["fetch"])
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [f"{name}: {assets.path_of(name)}" for name in ("street", "tiny.task")]


def test_adding_prints_what_became_ready(index: Any) -> None:
    index.goes_offline()
    done = run.invoke(app, ["add", str(index.wheel)])
    assert done.exit_code == 0
    assert done.stdout.splitlines()[0].startswith("street: ")
