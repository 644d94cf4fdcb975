"""Exports appear whole or not at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bodydouble.datasets.exports.building import INDEX, building_export, finish_replacing, read_index, write_index
from bodydouble.errors import BodydoubleError, DataError, FileExistsUsageError, UsageError

EMPTY = {"format": "test", "robot": "r", "joint_names": [], "rate_hz": 30.0, "cameras": {}, "settings": {}, "episodes": []}


def build(out: Path, text: str = "new", *, force: bool = False) -> None:
    with building_export(out, folder=True, force=force) as partial:
        (partial / "data").mkdir()
        (partial / "data" / "a").write_text(text)
        assert not out.exists() or force
        write_index(partial, EMPTY)


def test_nothing_is_under_the_final_name_before_the_end(tmp_path):
    build(tmp_path / "out")
    assert (tmp_path / "out" / "data" / "a").read_text() == "new"
    assert os.listdir(tmp_path) == ["out"]


def test_an_error_leaves_the_old_export_and_no_rest(tmp_path):
    build(tmp_path / "out", "old")

    def fail() -> None:
        with building_export(tmp_path / "out", folder=True, force=True) as partial:
            (partial / "b").write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert (tmp_path / "out" / "data" / "a").read_text() == "old"
    assert os.listdir(tmp_path) == ["out"]


def test_an_export_is_replaced_only_when_asked_and_other_folders_never(tmp_path):
    build(tmp_path / "out", "old")
    with pytest.raises(FileExistsUsageError):
        build(tmp_path / "out")
    build(tmp_path / "out", force=True)
    assert (tmp_path / "out" / "data" / "a").read_text() == "new"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match="is no export"):
        build(tmp_path / "mine", force=True)
    assert (tmp_path / "mine" / "thesis.tex").exists()


def test_two_exports_to_one_folder_do_not_mix(tmp_path):
    with building_export(tmp_path / "out", folder=True) as partial:
        with pytest.raises(UsageError, match="another process is writing"), building_export(tmp_path / "out", folder=True):
            pass
        (partial / "a").write_text("first")
        write_index(partial, EMPTY)
    assert (tmp_path / "out" / "a").read_text() == "first"


def test_what_a_killed_process_left_is_cleared(tmp_path):
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom bodydouble.datasets.exports.building import building_export\n"
        "with building_export(Path(sys.argv[1]), folder=True) as partial:\n    (partial / 'half').write_text('x')\n    os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code, str(tmp_path / "out")], check=False)
    assert done.returncode == -9
    assert not (tmp_path / "out").exists()
    assert (tmp_path / "out.partial" / "half").exists()
    build(tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").rglob("*") if path.is_file()) == ["a", INDEX]
    assert os.listdir(tmp_path) == ["out"]


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(BodydoubleError, match="cannot be written"):
        build(tmp_path / "closed" / "out")


def test_a_file_where_a_folder_is_needed_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="is a file"):
        build(tmp_path / "file")
    with pytest.raises(BodydoubleError, match="a file stands where a folder is needed"):
        build(tmp_path / "file" / "out")


def test_the_index_tells_an_export_from_anything_else(tmp_path):
    build(tmp_path / "out")
    assert read_index(tmp_path / "out")["format"] == "test"
    with pytest.raises(UsageError, match="does not exist"):
        read_index(tmp_path / "none")
    (tmp_path / "other").mkdir()
    with pytest.raises(UsageError, match="is no export"):
        read_index(tmp_path / "other")
    (tmp_path / "out" / INDEX).write_text(json.dumps([1]))
    with pytest.raises(DataError, match="damaged"):
        read_index(tmp_path / "out")
    (tmp_path / "text.hdf5").write_text("x")
    with pytest.raises(UsageError, match="is no export"):
        read_index(tmp_path / "text.hdf5")


def test_a_file_is_replaced_only_where_it_is_an_export(tmp_path):
    for name, content in {"thesis.hdf5": b"years of work", "episode.h5": b"\x89HDF\r\n\x1a\n"}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UsageError, match="is no export"), building_export(tmp_path / name, folder=False, force=True) as partial:
            partial.write_text("new")
        assert (tmp_path / name).read_bytes() == content


def test_what_is_read_is_never_written_over(tmp_path):
    build(tmp_path / "out")
    episode = tmp_path / "out" / "data" / "episode.h5"
    episode.write_text("input")
    (tmp_path / "other").symlink_to(tmp_path / "out", target_is_directory=True)
    for out, folder in {tmp_path / "out": True, tmp_path / "other": True, episode: False}.items():
        with (
            pytest.raises(UsageError, match="it would be lost"),
            building_export(out, folder=folder, force=True, inputs=[episode]),
        ):
            pass
    assert episode.read_text() == "input"


def test_through_a_link_the_export_itself_is_replaced_and_the_link_stays(tmp_path):
    build(tmp_path / "out", "old")
    (tmp_path / "link").symlink_to("out", target_is_directory=True)
    build(tmp_path / "link", force=True)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "out" / "data" / "a").read_text() == "new"
    assert sorted(os.listdir(tmp_path)) == ["link", "out"]


def test_a_replacement_that_was_killed_half_way_is_ended(tmp_path):
    build(tmp_path / "out", "old")
    os.rename(tmp_path / "out", tmp_path / "out.replaced.partial")
    finish_replacing(tmp_path / "out")  # killed before the new one got its name: the old one comes back
    assert (tmp_path / "out" / "data" / "a").read_text() == "old"
    build(tmp_path / "withdrawn", "withdrawn")
    os.rename(tmp_path / "withdrawn", tmp_path / "out.replaced.partial")
    finish_replacing(tmp_path / "out")  # killed while the old one was being removed
    assert os.listdir(tmp_path) == ["out"]


def test_a_name_that_is_too_long_is_one_sentence(tmp_path):
    with pytest.raises(UsageError, match="too long"):
        build(tmp_path / ("x" * 256))


@pytest.mark.parametrize(
    ("edited", "said"),
    [
        ({"episodes": 5}, "lacks 'format' or 'episodes'"),
        ({"episodes": [{"file": "a.h5"}]}, "episode 0 lacks 'identity'"),
        ({"episodes": [5]}, "episode 0"),
    ],
)
def test_an_index_that_somebody_edited_is_one_sentence(tmp_path, edited, said):
    build(tmp_path / "out")
    write_index(tmp_path / "out", {**EMPTY, **edited})
    with pytest.raises(DataError, match=said):
        read_index(tmp_path / "out")
    write_index(tmp_path / "out", {name: value for name, value in EMPTY.items() if name != "robot"})
    with pytest.raises(DataError, match="it lacks 'robot'"):
        read_index(tmp_path / "out")
