"""The images that a board is looked for in."""

from __future__ import annotations

import numpy as np
import pytest

from bodydouble.calibration.boards import images as board_images
from bodydouble.calibration.boards.images import spread_images
from bodydouble.errors import DataError, UsageError

cv2 = pytest.importorskip("cv2")
av = pytest.importorskip("av")


def write_video(path, frames: int):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for k in range(frames):
            grey = np.full((48, 64, 3), 2 * k + 20, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        container.mux(stream.encode())


def test_an_image_is_one_image(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.full((10, 20, 3), 100, np.uint8))
    ((name, image),) = spread_images(tmp_path / "a.png", 5)
    assert name == "a.png"
    assert image.shape == (10, 20)
    assert image.dtype == np.uint8


def test_a_folder_gives_its_middle_first(tmp_path):
    for k in range(9):
        cv2.imwrite(str(tmp_path / f"{k}.png"), np.full((4, 4), k, np.uint8))
    assert [name for name, _ in spread_images(tmp_path, 3)] == ["4.png", "0.png", "8.png"]
    assert len(spread_images(tmp_path, 50)) == 9


@pytest.mark.parametrize("entered", [False, True])
def test_a_video_gives_frames_spread_over_it(entered, tmp_path, monkeypatch):
    write_video(tmp_path / "a.mp4", 100)
    if entered:
        monkeypatch.setattr(board_images, "_MOST_DECODED", 10)
    images = [image for _, image in spread_images(tmp_path / "a.mp4", 6)]
    assert 3 <= len(images) <= 6
    brightness = sorted(float(image.mean()) for image in images)
    assert brightness[-1] - brightness[0] > 80
    assert all(image.shape == (48, 64) and image.flags.c_contiguous for image in images)


def test_a_truncated_video_gives_what_can_be_decoded(tmp_path):
    write_video(tmp_path / "a.mkv", 100)
    content = (tmp_path / "a.mkv").read_bytes()
    (tmp_path / "cut.mkv").write_bytes(content[: len(content) // 2])
    assert spread_images(tmp_path / "cut.mkv", 6)


def test_what_is_no_image_and_no_video_is_said(tmp_path):
    with pytest.raises(UsageError, match=r"gone\.png does not exist"):
        spread_images(tmp_path / "gone.png", 3)
    with pytest.raises(UsageError, match=r"holds no images"):
        spread_images(tmp_path, 3)
    (tmp_path / "a.txt").write_text("board")
    with pytest.raises(UsageError, match=r"a\.txt is neither an image .* nor a video"):
        spread_images(tmp_path / "a.txt", 3)
    (tmp_path / "a.png").write_text("board")
    with pytest.raises(DataError, match=r"a\.png cannot be read as an image"):
        spread_images(tmp_path / "a.png", 3)
    (tmp_path / "a.mp4").write_text("board")
    with pytest.raises(DataError, match=r"a\.mp4 cannot be read as a video"):
        spread_images(tmp_path / "a.mp4", 3)
