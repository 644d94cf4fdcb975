"""``bodydouble demo``: the recording it makes, and the whole of it on a few frames."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from bodydouble.calibration import Rig
from bodydouble.capture import Recording
from bodydouble.cli.demo import CAMERAS, app, make_recording
from bodydouble.datasets import pipeline, read_episode
from bodydouble.errors import FileExistsUsageError, UsageError


def run(*arguments: object):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if isinstance(result.exception, Exception) and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def three_frames(monkeypatch):
    """Let the demo process three frames instead of all."""
    whole = pipeline.process

    def short(recording, out, settings=pipeline.ProcessSettings(), **options):
        return whole(recording, out, replace(settings, stop=3), **options)

    monkeypatch.setattr(pipeline, "process", short)


def test_the_recording_has_four_cameras_their_rig_and_the_declared_crops(sample_run):
    recording = Recording.open(sample_run.recording)
    assert recording.cameras == CAMERAS
    assert [recording.crop_origin(name) for name in CAMERAS] == [(0, 0), (0, 0), None, None]
    assert [len(recording.times(name)) for name in CAMERAS] == [100] * 4
    assert Rig.load(recording.rig_path).names == CAMERAS
    assert recording.settings.task


def test_it_makes_recording_episode_preview_and_quality_and_says_where(sample_cache, three_frames, tmp_path):
    out = tmp_path / "demo"
    done = run("--out", out)
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in out.iterdir()) == ["episode.h5", "preview.mp4", "quality.json", "recording"]
    for name in ("episode.h5", "preview.mp4", "quality.json", "recording"):
        assert str(out / name) in done.stdout
    episode = read_episode(out / "episode.h5")
    quality = json.loads((out / "quality.json").read_text())
    assert quality["grade"] == episode.grade
    assert quality["quality"] == {name: gate.as_dict() for name, gate in episode.quality.items()}

    import av

    with av.open(str(out / "preview.mp4")) as video:
        assert sum(1 for _ in video.decode(video=0)) >= 1
    again = json.loads(run("--out", out, "--json").stdout)
    assert again["frames"] == 3
    assert again["preview"] == str(out / "preview.mp4")
    assert again["quality_file"] == str(out / "quality.json")
    assert again["quality"] == quality["quality"]


def test_a_file_where_the_folder_should_be_is_refused(tmp_path):
    (tmp_path / "demo").write_text("precious")
    with pytest.raises(UsageError, match=r"is a file; a folder was expected.*--out"):
        run("--out", tmp_path / "demo")
    assert (tmp_path / "demo").read_text() == "precious"


def test_a_folder_of_the_users_own_is_never_deleted(sample_videos, tmp_path):
    """--out may be a folder that holds a "recording" which bodydouble did not make."""
    (tmp_path / "recording").mkdir()
    (tmp_path / "recording" / "notes.txt").write_text("precious")
    with pytest.raises(UsageError):
        make_recording(sample_videos, tmp_path / "recording")
    assert (tmp_path / "recording" / "notes.txt").read_text() == "precious"


@pytest.mark.parametrize("name", ["episode.h5", "preview.mp4", "quality.json", "recording"])
def test_files_that_no_demo_made_are_not_replaced(tmp_path, name):
    if name == "recording":
        (tmp_path / name).mkdir()
        (tmp_path / name / "recording.toml").write_text('name = "mine"\n[cameras.front]\nvideo = "front.mp4"\n')
    else:
        (tmp_path / name).write_text("precious")
    with pytest.raises(FileExistsUsageError, match=rf"{name} already exists and was left as it is. Pass --force"):
        run("--out", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_help_ends_with_an_example():
    assert "Example: bodydouble demo" in run("--help").output
