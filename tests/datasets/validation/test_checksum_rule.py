"""A changed byte is found wherever it is, and a file that says nothing of its bytes is a warning."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from bodydouble.datasets import validate_episode, write_episode


def found(path):
    return [(check.verdict, check.found) for check in validate_episode(path) if check.name == "checksums"]


@pytest.mark.parametrize("dataset", ["robot/positions", "human/landmark_source", "recording/frame_index", "cameras/T_world_camera"])
def test_a_changed_number_is_found_with_the_name_of_its_dataset(written_episode, dataset):
    with h5py.File(written_episode, "r+") as file:
        data = file[dataset][()]
        data.view(np.uint8).reshape(-1)[0] ^= 1
        file[dataset][()] = data
    assert found(written_episode) == [("FAIL", f"{dataset} is not what was written: its SHA-256 differs")]


def test_times_under_both_their_names_are_one_dataset(written_episode):
    with h5py.File(written_episode, "r+") as file:
        file["human/times_s"][0] = -1.0
    assert {text.split()[0] for _, text in found(written_episode)} == {"robot/times_s", "human/times_s"}


def test_images_that_changed_places_are_found(written_episode):
    with h5py.File(written_episode, "r+") as file:
        one, two = file["images/portrait"][0], file["images/portrait"][1]
        file["images/portrait"][0], file["images/portrait"][1] = two, one
    assert found(written_episode) == [("FAIL", "images/portrait is not what was written: its SHA-256 differs")]


def test_a_changed_byte_in_a_video_is_found(simulated_episode, simulated_images, tmp_path):
    episode = simulated_episode()
    write_episode(tmp_path / "e.h5", episode, images=simulated_images(episode), encoding="h264")
    assert {verdict for verdict, _ in found(tmp_path / "e.h5")} == {"PASS"}
    (video,) = tmp_path.glob("e.wide.*.mp4")
    content = bytearray(video.read_bytes())
    content[-1] ^= 1
    video.write_bytes(content)
    assert found(tmp_path / "e.h5") == [("FAIL", "videos/wide is not what was written: its SHA-256 differs")]


def test_a_video_that_is_not_there_is_told_of_by_the_images(simulated_episode, simulated_images, tmp_path):
    episode = simulated_episode()
    write_episode(tmp_path / "e.h5", episode, images=simulated_images(episode), encoding="h264")
    (video,) = tmp_path.glob("e.wide.*.mp4")
    video.unlink()
    failed = [check for check in validate_episode(tmp_path / "e.h5") if check.verdict == "FAIL"]
    assert [check.name for check in failed] == ["images"]
    assert "copy it beside the episode again" in failed[0].found


def test_a_dataset_without_a_checksum_is_a_warning_in_a_file_that_should_have_them(written_episode):
    with h5py.File(written_episode, "r+") as file:
        del file["robot/positions"].attrs["sha256"]
        del file["images/wide"].attrs["sha256"]
    assert found(written_episode) == [("WARN", "2 datasets have no checksum: robot/positions, images/wide")]
