"""The verbs `export` and `dataset`: what is taken, what is refused, in one sentence each."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from bodydouble.datasets import write_episode
from bodydouble.datasets.consent import Consent


def run(*arguments: object, code: int = 0, limit: int | None = None) -> subprocess.CompletedProcess[str]:
    def small_files() -> None:
        if limit is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    command = [sys.executable, "-P", "-m", "bodydouble", *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "300"}, preexec_fn=small_files
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
def episodes(simulated_episode, simulated_images, tmp_path) -> list[Path]:
    paths = []
    for number, name in enumerate(("a.h5", "b ö'1.h5", "c.h5")):
        episode = simulated_episode()
        recording = replace(episode.recording, consent=Consent("2026-03", ("training",)), licence="CC-BY-4.0")
        trajectory = replace(episode.trajectory, positions=episode.trajectory.positions + 0.1 * number)
        episode = replace(episode, recording=recording, trajectory=trajectory)
        write_episode(tmp_path / name, episode, images=simulated_images(episode))
        paths.append(tmp_path / name)
    return paths


def test_an_export_says_what_it_took_in_words_and_in_json(episodes, tmp_path):
    out = run("export", "motion", *episodes, "-o", tmp_path / "out", "--json")
    said = json.loads(out.stdout)
    assert (said["episodes"], said["frames"], said["dry_run"], said["left_out"]) == (3, 12, False, {})
    assert "3 of 3 episodes" in run("export", "motion", *episodes, "-o", tmp_path / "out", "--force").stdout


def test_a_dry_run_writes_nothing_and_tells_why_what_is_left_out(episodes, tmp_path, written_episode):
    out = run("export", "lerobot", *episodes, written_episode, "-o", tmp_path / "out", "--dry-run")
    assert "no consent is recorded, and no licence" in out.stdout
    assert not (tmp_path / "out").exists()
    said = json.loads(run("export", "lerobot", *episodes, written_episode, "-o", tmp_path / "out", "--dry-run", "--json").stdout)
    assert (said["episodes"], list(said["left_out"])) == (3, [str(written_episode)])


def test_without_consent_nothing_leaves_and_with_the_option_it_is_recorded(written_episode, tmp_path):
    refused = run("export", "motion", written_episode, "-o", tmp_path / "out", code=1)
    assert "--allow-unconsented" in refused.stderr
    assert not (tmp_path / "out").exists()
    run("export", "motion", written_episode, "-o", tmp_path / "out", "--allow-unconsented")
    index = json.loads(run("dataset", "show", tmp_path / "out", "--json").stdout)
    assert index["episodes"][0]["unconsented"] == "no consent is recorded, and no licence"
    assert index["settings"]["allow_unconsented"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--state", "torque"], "valid: positions, positions+velocities, end-effector"),
        (["--image-size", "320"], "WIDTHxHEIGHT"),
        (["--where", "beauty>=1"], "'beauty' is not in the quality figures"),
        (["--where", "hand_observed_pct=1"], "FIGURE<=VALUE"),
        (["--rate-hz", "0"], "0.1 to 1000"),
        (["--min-grade", "F"], "valid: A, B, C, D"),
        (["--joints", "left_arn"], "Did you mean 'left_arm'"),
        (["--cameras", "front"], "valid: portrait, wide"),
    ],
)
def test_a_wrong_option_is_one_sentence(episodes, tmp_path, options, message):
    assert message in run("export", "robomimic", *episodes, "-o", tmp_path / "out.hdf5", *options, code=2).stderr


def test_a_format_refuses_what_it_has_no_use_for(episodes, tmp_path):
    assert "no use for --cameras" in run("export", "motion", *episodes, "-o", tmp_path / "out", "--cameras", "wide", code=2).stderr
    assert "no use for --codec" in run("export", "aloha", *episodes, "-o", tmp_path / "out", "--codec", "av1", code=2).stderr
    assert "Did you mean 'lerobot'" in run("export", "lerobt", *episodes, "-o", tmp_path / "out", code=2).stderr


def test_an_empty_selection_says_why(episodes, tmp_path):
    refused = run("export", "motion", *episodes, "-o", tmp_path / "out", "--where", "hand_observed_pct>=99", code=1)
    assert "no episode is left to export" in refused.stderr
    assert "hand_observed_pct is 50" in refused.stderr


def test_foreign_and_cut_files_are_left_out_and_the_rest_is_exported(episodes, tmp_path):
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["x"] = np.zeros(3)
    (tmp_path / "cut.h5").write_bytes(episodes[0].read_bytes()[:5000])
    out = run("export", "motion", *episodes, tmp_path / "foreign.h5", tmp_path / "cut.h5", "-o", tmp_path / "out")
    assert "not a bodydouble episode" in out.stderr
    assert "truncated" in out.stderr
    assert "3 of 5 episodes" in out.stdout


@pytest.mark.parametrize(("format_name", "out"), [("robomimic", "out.hdf5"), ("lerobot", "out"), ("aloha", "out")])
def test_a_full_disk_is_one_sentence_and_leaves_nothing(episodes, tmp_path, format_name, out):
    before = sorted(os.listdir(tmp_path))
    refused = run("export", format_name, *episodes, "-o", tmp_path / out, code=1, limit=2000)
    assert "No space left" in refused.stderr
    assert sorted(os.listdir(tmp_path)) == before


def test_merging_and_deleting_give_what_exporting_would_have_given(episodes, tmp_path):
    run("export", "robomimic", *episodes, "-o", tmp_path / "all.hdf5")
    run("export", "robomimic", episodes[0], "-o", tmp_path / "first.hdf5")
    run("export", "robomimic", *episodes[1:], "-o", tmp_path / "rest.hdf5")
    run("dataset", "merge", tmp_path / "first.hdf5", tmp_path / "rest.hdf5", "-o", tmp_path / "merged.hdf5")
    assert (tmp_path / "merged.hdf5").read_bytes() == (tmp_path / "all.hdf5").read_bytes()
    out = run("dataset", "delete", tmp_path / "all.hdf5", "0")
    assert "b ö'1.h5" in out.stdout
    assert "a.h5" not in out.stdout
    assert (tmp_path / "all.hdf5").read_bytes() == (tmp_path / "rest.hdf5").read_bytes()


def test_what_cannot_be_merged_or_deleted_is_named(episodes, tmp_path):
    run("export", "motion", episodes[0], "-o", tmp_path / "one")
    run("export", "motion", episodes[1], "-o", tmp_path / "other", "--rate-hz", "25")
    assert "their rate_hz differ" in run("dataset", "merge", tmp_path / "one", tmp_path / "other", "-o", tmp_path / "x", code=2).stderr
    assert "two or more" in run("dataset", "merge", tmp_path / "one", "-o", tmp_path / "x", code=2).stderr
    assert "0 (a.h5)" in run("dataset", "delete", tmp_path / "one", "7", code=2).stderr
    assert "delete the folder itself" in run("dataset", "delete", tmp_path / "one", "a.h5", code=2).stderr
    (tmp_path / "mine").mkdir()
    assert "is no export" in run("dataset", "show", tmp_path / "mine", code=2).stderr


def test_an_output_that_is_there_is_kept_unless_asked(episodes, tmp_path):
    run("export", "motion", episodes[0], "-o", tmp_path / "out")
    assert "--force" in run("export", "motion", episodes[1], "-o", tmp_path / "out", code=2).stderr
    (tmp_path / "thesis").mkdir()
    shutil.copy(episodes[0], tmp_path / "thesis" / "years.h5")
    assert "is no export" in run("export", "motion", episodes[1], "-o", tmp_path / "thesis", "--force", code=2).stderr
    assert (tmp_path / "thesis" / "years.h5").exists()


def test_no_input_is_written_over_even_when_asked(episodes, tmp_path):
    before = episodes[0].read_bytes()
    assert "it would be lost" in run("export", "robomimic", episodes[0], "-o", episodes[0], "--force", code=2).stderr
    assert "is no export" in run("export", "robomimic", episodes[1], "-o", episodes[0], "--force", code=2).stderr
    assert episodes[0].read_bytes() == before
    run("export", "motion", episodes[1], "-o", tmp_path / "out")
    inside = shutil.copy(episodes[0], tmp_path / "out" / "in.h5")
    assert "it would be lost" in run("export", "motion", inside, "-o", tmp_path / "out", "--force", code=2).stderr
    assert Path(inside).read_bytes() == before


def test_deleting_through_a_link_leaves_nothing_behind_it(episodes, tmp_path):
    run("export", "motion", *episodes, "-o", tmp_path / "real")
    (tmp_path / "link").symlink_to("real", target_is_directory=True)
    run("dataset", "delete", tmp_path / "link", "a.h5")
    assert (tmp_path / "link").is_symlink()
    assert "a.h5" not in (tmp_path / "real" / "bodydouble_export.json").read_text()
    assert not list(tmp_path.glob("*.partial"))


def test_an_episode_whose_name_is_no_unicode_is_exported(episodes, tmp_path):
    odd = tmp_path / os.fsdecode(b"take\xff.h5")
    episodes[0].rename(odd)
    run("export", "motion", odd, "-o", tmp_path / "out")
    assert json.loads(run("dataset", "show", tmp_path / "out", "--json").stdout)["episodes"][0]["file"] == "take\\xff.h5"


def test_a_full_folder_for_temporary_files_is_not_the_episodes_fault(episodes, tmp_path):
    refused = run("export", "motion", episodes[0], "-o", tmp_path / "out", code=1, limit=100)
    assert "No space left" in refused.stderr
