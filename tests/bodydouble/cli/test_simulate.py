"""``bodydouble simulate``: what it prints, and what cannot be is one sentence."""

from __future__ import annotations

import errno
import json

import pytest
from moving_dot import moving_dot, rig
from typer.testing import CliRunner

from bodydouble.capture import Recording
from bodydouble.cli.simulate import STAGE_TEXTS, app
from bodydouble.errors import FileExistsUsageError, MissingDependencyError, UnknownNameError, UsageError
from bodydouble.hand_pose.simulation import extra, person, simulation
from bodydouble.hand_pose.simulation.truth import Truth


def run(*arguments: object):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if isinstance(result.exception, Exception) and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def dot(monkeypatch, tmp_path):
    """Film a moving dot with a small rig of one's own instead of a person."""
    monkeypatch.setitem(simulation.simulate.__kwdefaults__, "make", moving_dot)
    path = tmp_path / "row.toml"
    rig("a", "b").save(path)
    return ["--rig", path, "--task", "dot", "--workers", 1]


def test_every_stage_has_a_text_for_its_bar():
    assert set(STAGE_TEXTS) == set(simulation.STAGES)


def test_json_is_one_object_and_nothing_else(dot, tmp_path):
    done = run(*dot, "--seconds", 0.4, "--seed", 3, "--fault", "dropped=b:0.2", "-o", tmp_path / "take", "--json")
    said = json.loads(done.stdout)
    assert done.stderr == ""
    assert (said["recording"], said["moments"], said["frames"]) == (str(tmp_path / "take"), 12, {"a": 12, "b": 10})
    assert said["settings"]["seed"] == 3
    assert len(said["faults"]["dropped"]["cameras"]["b"]["moments"]) == 2
    assert Recording.open(tmp_path / "take").settings.task == "dot"


def test_the_table_names_the_faults_and_where_the_recording_is(dot, tmp_path):
    done = run(*dot, "--seconds", 0.1, "--fault", "covered=a", "--fault", "gloves", "-o", tmp_path / "take")
    assert "Fault covered of a; truth.h5 says exactly what." in done.stdout
    assert "Fault gloves; truth.h5" in done.stdout
    assert "3 simulated moments, 6 frames of 2 cameras" in done.stdout
    assert set(Truth.load(tmp_path / "take" / "truth.h5").faults) == {"covered", "gloves"}


def test_one_is_not_many(dot, tmp_path):
    rig("a").save(tmp_path / "row.toml")
    assert "1 simulated moment, 1 frame of 1 camera in" in run(*dot, "--seconds", 0.03, "-o", tmp_path / "take").stdout


def test_a_recording_that_is_there_is_left_as_it_is(dot, tmp_path):
    (tmp_path / "take").mkdir()
    (tmp_path / "take" / "recording.toml").write_text("precious")
    with pytest.raises(FileExistsUsageError):
        run(*dot, "--seconds", 0.1, "-o", tmp_path / "take")
    assert (tmp_path / "take" / "recording.toml").read_text() == "precious"


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        (
            ["--rig", "optimus-helmet"],
            UnknownNameError,
            "rig 'optimus-helmet' is not in the designs.*valid: optimus-helmet5,.*Did you mean",
        ),
        (["--rig", "nowhere.toml"], UsageError, "nowhere.toml does not exist"),
        (["--size", "big"], UsageError, "--size big is not a width and a height"),
        (["--size", "800x800"], UsageError, "--size 800x800 has not the shape of the 1600x1200 images of camera 'front'"),
        (["--size", "401x301"], UsageError, "even numbers"),
        (["--seconds", "0"], UsageError, "--seconds 0 cannot be"),
        (["--seconds", "1e7"], UsageError, "expected more than 0 and at most 3600"),
        (["--room-cameras", "12"], UsageError, "--room-cameras 12 cannot be; expected 0 to 8"),
        (["--fault", "glove"], UnknownNameError, "fault 'glove' .*Did you mean 'gloves'"),
        (["--fault", "covered=frnt"], UnknownNameError, "camera 'frnt' .*Did you mean 'front'"),
        (["--task", "tabel"], UnknownNameError, "task 'tabel' is not in the simulation; valid: .*Did you mean 'table'"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_leaves_nothing(tmp_path, arguments, error, said):
    with pytest.raises(error, match=said):
        run(*arguments, "-o", tmp_path / "take")
    assert list(tmp_path.iterdir()) == []


def test_without_the_extra_the_command_that_installs_it_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(extra, "find_spec", lambda package: None)
    with pytest.raises(MissingDependencyError, match=r"needs torch and anny, .*torch==2\.13\.0.*pip install 'bodydouble\[simulate\]'"):
        run("-o", tmp_path / "take")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [ImportError("libtorch.so: undefined symbol"), OSError("libtorch.so: undefined symbol")])
def test_an_extra_that_does_not_load_is_one_sentence(tmp_path, monkeypatch, error):
    def broken(seed):
        raise error

    monkeypatch.setattr(extra, "find_spec", lambda package: package)
    monkeypatch.setattr(person, "make_person", broken)
    with pytest.raises(
        MissingDependencyError, match=r"installed but do not load \(libtorch.so: undefined symbol\)\. Run `pip install torch"
    ):
        run("-o", tmp_path / "take")


def test_a_disk_that_is_full_is_not_taken_for_an_extra_that_does_not_load(tmp_path, monkeypatch):
    def full(seed):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(extra, "find_spec", lambda package: package)
    monkeypatch.setattr(person, "make_person", full)
    with pytest.raises(OSError, match="No space left"):
        run("-o", tmp_path / "take")
