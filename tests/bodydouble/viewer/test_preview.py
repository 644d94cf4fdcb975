from __future__ import annotations

import dataclasses

import av
import cv2
import numpy as np
import pytest

from bodydouble.datasets import read_episode, write_episode
from bodydouble.errors import DataError, FileExistsUsageError, UnknownNameError, UsageError
from bodydouble.retarget import Robot
from bodydouble.viewer.preview import Composer, frames_at_rate, render_contact_sheet, render_preview
from bodydouble.viewer.robot_view import choose_view

SIZE = (480, 240)


@pytest.fixture
def episode(simulated_episode, simulated_images, tmp_path):
    """The simulated episode with the shipped robot standing still."""
    robot = Robot.load("optimus")
    plain = simulated_episode()
    joints = len(robot.joint_names)
    base = np.tile([0, 0, robot.standing_height(), 0, 0, 0, 1.0], (plain.frames, 1))
    trajectory = dataclasses.replace(
        plain.trajectory, robot="optimus", joint_names=robot.joint_names, joint_groups=robot.groups, base_pose=base,
        positions=np.zeros((plain.frames, joints)), velocities=np.zeros((plain.frames, joints)), torques=np.full((plain.frames, joints), np.nan),
        joint_source=np.ones((plain.frames, joints)), lower=robot.lower, upper=robot.upper, velocity_limit=robot.velocity_limit,
        effort_limit=robot.effort_limit,
    )  # fmt: skip
    made = simulated_episode(trajectory=trajectory)
    write_episode(tmp_path / "whole.h5", made, images=simulated_images(made))
    return read_episode(tmp_path / "whole.h5")


def test_the_preview_is_a_video_in_true_time(episode, tmp_path):
    counted = []
    done = render_preview(episode, tmp_path / "p.mp4", size=SIZE, max_fps=60, progress=lambda now, total: counted.append((now, total)))
    assert (done.frames, done.size) == (4, SIZE)
    assert counted[-1] == (4, 4)
    with av.open(str(tmp_path / "p.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        times = [frame.time for frame in container.decode(video=0)]
    np.testing.assert_allclose(times, episode.times_s, atol=2e-5)


def test_frames_come_at_most_at_the_rate_asked_for():
    times = np.arange(10) / 60
    assert len(frames_at_rate(times, 60)) == 10
    np.testing.assert_array_equal(frames_at_rate(times, 30), [0, 2, 4, 6, 8])
    np.testing.assert_array_equal(frames_at_rate(np.array([0.0, 0.01, 5.0]), 30), [0, 2])
    with pytest.raises(UsageError, match="above 0"):
        frames_at_rate(times, 0)


def test_every_camera_and_the_robot_are_in_the_picture(episode):
    composer = Composer(episode, size=SIZE, whole_images=True)
    picture = composer.frame(3)
    for row, (x, y, w, h) in enumerate(composer.layout.cameras):
        corner = picture[y + h - 6 : y + h - 2, x + w - 6 : x + w - 2].mean(axis=(0, 1))
        np.testing.assert_allclose(corner, (60, 90 * row, 200), atol=12)
    x, y, w, h = composer.layout.robot
    assert picture[y : y + h, x : x + w].std() > 20


def test_the_robot_is_seen_from_the_camera_that_faces_it_or_from_the_one_asked_for(episode):
    assert choose_view(episode) == "portrait"
    assert Composer(episode, size=SIZE, view="wide").view == "wide"
    front, wide = (Composer(episode, size=SIZE, view=name).frame(0) for name in ("front", "wide"))
    assert (front != wide).any()


def test_a_view_that_is_no_camera_lists_the_views(episode):
    with pytest.raises(UnknownNameError, match="front, portrait, wide"):
        Composer(episode, view="widee")


def test_an_episode_of_other_joints_is_refused_in_one_sentence(written_episode):
    with pytest.raises(DataError, match="joints are in one and not in the other"):
        Composer(read_episode(written_episode))


def test_an_existing_video_is_left_alone_without_force(episode, tmp_path):
    (tmp_path / "p.mp4").write_bytes(b"mine")
    with pytest.raises(FileExistsUsageError, match="--force"):
        render_preview(episode, tmp_path / "p.mp4")
    assert (tmp_path / "p.mp4").read_bytes() == b"mine"


def test_ctrl_c_while_rendering_leaves_no_video(episode, tmp_path):
    def interrupt(now, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render_preview(episode, tmp_path / "p.mp4", size=SIZE, progress=interrupt)
    assert [path.name for path in tmp_path.iterdir()] == ["whole.h5"]


def test_a_contact_sheet_stacks_frames(episode, tmp_path):
    render_contact_sheet(episode, tmp_path / "sheet.png", frames=[0, 3], size=SIZE)
    assert cv2.imread(str(tmp_path / "sheet.png")).shape == (2 * SIZE[1], SIZE[0], 3)
    with pytest.raises(UsageError, match="frames 0 to 3"):
        render_contact_sheet(episode, tmp_path / "other.png", frames=[4])
