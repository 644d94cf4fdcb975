"""What goes into an export, and why the rest does not."""

from __future__ import annotations

import datetime
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bodydouble.datasets import write_episode
from bodydouble.datasets.consent import Consent
from bodydouble.datasets.exports.export_plan import plan_export, read_header
from bodydouble.datasets.exports.export_settings import ExportSettings, QualityFilter
from bodydouble.errors import DataError, UnknownNameError, UsageError

TODAY = datetime.date(2026, 6, 1)
CONSENT = Consent("2026-03", ("training",))


@pytest.fixture
def written(simulated_episode, simulated_images, tmp_path):
    def make(name: str, *, consent: Consent = CONSENT, licence: str = "CC-BY-4.0", shift: float = 0.0, **replaced) -> Path:
        episode = simulated_episode(**replaced)
        trajectory = replace(episode.trajectory, positions=episode.trajectory.positions + shift)
        recording = replace(episode.recording, consent=consent, licence=licence)
        episode = replace(episode, trajectory=trajectory, recording=recording)
        write_episode(tmp_path / name, episode, images=simulated_images(episode))
        return tmp_path / name

    return make


def plan(paths, settings=ExportSettings(), **options):
    return plan_export("lerobot", paths, settings, today=TODAY, **options)


def test_a_header_says_what_the_file_holds(written):
    header = read_header(written("a.h5"))
    assert (header.frames, header.robot, header.joint_names[1]) == (4, "optimus", "left_elbow")
    assert header.cameras == {"portrait": (72, 128), "wide": (160, 90)}
    assert header.rate_hz == pytest.approx(60.0)
    assert header.consent == CONSENT


def test_an_episode_without_consent_or_licence_is_left_out_and_recorded_where_it_is_taken_all_the_same(written):
    paths = [written("a.h5"), written("b.h5", consent=Consent(), shift=0.1), written("c.h5", licence="", shift=0.2)]
    found = plan(paths)
    assert [header.path.name for header in found.kept] == ["a.h5"]
    assert list(found.left_out.values()) == ["no consent is recorded", "no licence is recorded"]
    taken = plan(paths, ExportSettings(allow_unconsented=True))
    assert len(taken.kept) == 3
    assert taken.unconsented == found.left_out


def test_grades_and_figures_leave_out_with_a_reason(written):
    path = written("a.h5", grade="C")
    assert plan([path], ExportSettings(min_grade="B")).left_out[str(path)] == "grade C is below B"
    assert plan([path], ExportSettings(min_grade="C")).kept
    strict, loose = (ExportSettings(filters=(QualityFilter("hand_observed_pct", False, limit),)) for limit in (50.1, 50.0))
    assert "hand_observed_pct is 50; asked for hand_observed_pct>=50.1" in plan([path], strict).left_out[str(path)]
    assert plan([path], loose).kept
    assert "has no figure" in plan([path], ExportSettings(filters=(QualityFilter("beauty", False, 1),))).left_out[str(path)]


def test_the_same_episode_under_two_names_is_taken_once(written, tmp_path):
    path = written("a.h5")
    shutil.copy(path, tmp_path / "copy.h5")
    assert plan([path, tmp_path / "copy.h5", path]).left_out == {str(tmp_path / "copy.h5"): f"it is the same episode as {path}"}


def test_what_is_no_episode_is_left_out_by_name_and_what_is_not_there_is_an_error(written, tmp_path):
    (tmp_path / "foreign.h5").write_bytes(b"no hdf5")
    good = written("a.h5")
    (tmp_path / "cut.h5").write_bytes(good.read_bytes()[:4000])
    found = plan([tmp_path / "foreign.h5", tmp_path / "cut.h5", good])
    assert len(found.kept) == 1
    assert "not an HDF5 file" in found.left_out[str(tmp_path / "foreign.h5")]
    assert "truncated" in found.left_out[str(tmp_path / "cut.h5")]
    with pytest.raises(UsageError, match="does not exist"):
        plan([tmp_path / "nowhere.h5"])


def test_episodes_of_several_robots_do_not_go_together(written, simulated_episode):
    other = replace(simulated_episode().trajectory, robot="talos")
    with pytest.raises(UsageError, match=r"'optimus' \(1 episodes\), 'talos' \(1 episodes\)"):
        plan([written("a.h5"), written("b.h5", trajectory=other)])


def test_several_rates_need_a_choice(written, simulated_episode):
    episode = simulated_episode()
    slow = {
        part: replace(getattr(episode, part), times_s=2 * getattr(episode, part).times_s)
        for part in ("trajectory", "motion", "landmarks", "recording")
    }
    paths = [written("a.h5"), written("b.h5", **slow)]
    with pytest.raises(UsageError, match=r"60 Hz.*--rate-hz 30"):
        plan(paths)
    assert plan(paths, ExportSettings(rate_hz=20.0)).rate_hz == 20.0
    assert plan(paths, own_rate_hz=50.0).rate_hz == 50.0


def test_cameras_must_be_in_every_episode_and_of_one_size(written, simulated_episode, simulated_images, tmp_path):
    small = simulated_episode()
    recording = replace(small.recording, consent=CONSENT, licence="x")
    small = replace(small, recording=recording, trajectory=replace(small.trajectory, positions=small.trajectory.positions + 0.1))
    write_episode(tmp_path / "small.h5", small, images=simulated_images(small), max_side=64)
    paths = [written("a.h5"), tmp_path / "small.h5"]
    with pytest.raises(UsageError, match=r"several sizes .*--image-size"):
        plan(paths)
    assert plan(paths, ExportSettings(image_size=(64, 48), cameras=("wide",))).cameras == {"wide": (64, 48)}
    with pytest.raises(UnknownNameError, match="Did you mean 'wide'"):
        plan(paths, ExportSettings(cameras=("wild",)))
    assert plan(paths, ExportSettings(cameras=())).cameras == {}


def test_an_episode_that_nobody_observed_is_left_out(written, simulated_episode):
    unseen = replace(simulated_episode().trajectory, joint_source=np.full((4, 3), 3))
    path = written("a.h5", trajectory=unseen)
    assert plan([path]).left_out[str(path)] == "no frame of it was observed"


def test_variations_and_their_original_are_of_one_source(written):
    first = written("a.h5", provenance={"videos": {"front": "abc"}})
    second = written("b.h5", shift=0.1, provenance={"videos": {"front": "abc"}, "parent_episode": "x"})
    third = written("c.h5", shift=0.2, provenance={"videos": {"front": "other"}})
    sources = [read_header(path).source for path in (first, second, third)]
    assert sources[0] == sources[1] != sources[2]


def test_a_header_that_lies_is_a_data_error(written):
    import h5py

    path = written("a.h5")
    with h5py.File(path, "a") as file:
        del file["robot"].attrs["joint_names"]
    with pytest.raises(DataError, match="bodydouble validate"):
        read_header(path)
