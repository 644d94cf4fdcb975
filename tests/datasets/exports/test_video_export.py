from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import av
import cv2
import h5py
import numpy as np
import pytest

from bodydouble.datasets import read_episode, write_episode
from bodydouble.datasets.exports.samples import CameraSamples
from bodydouble.datasets.exports.video_export import (
    CODEC_CHOICES,
    check_video,
    describe_video,
    encode_camera,
    encode_cameras,
    exported_size,
    sampled_frames,
)
from bodydouble.datasets.images import encode_jpeg
from bodydouble.errors import DataError

sys.path.insert(0, str(Path(__file__).parent))
from natural_episode import images_of, natural_episode, psnr_db

FRAMES, SIZE = 8, (320, 240)


def showing(*frames: int) -> CameraSamples:
    """One sample for each of these frames of the episode."""
    shown = np.array(frames)
    return CameraSamples(shown, shown >= 0, np.where(shown >= 0, shown / 30, np.nan))


ALL = showing(*range(FRAMES))


def written(folder: Path, encode=encode_jpeg, size=SIZE, frames=FRAMES):
    """An episode with one camera whose images were encoded by ``encode``."""
    episode = natural_episode(frames, {"ego": size}, joints=4)
    write_episode(folder / "episode.h5", episode, images=((camera, frame, encode(image)) for camera, frame, image in images_of(episode)))
    return read_episode(folder / "episode.h5")


@pytest.fixture(scope="module")
def episode(tmp_path_factory):
    return written(tmp_path_factory.mktemp("natural"))


def decoded(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def stored(episode) -> list[np.ndarray]:
    return [episode.image("ego", frame) for frame in range(episode.frames)]


@pytest.mark.parametrize("codec", CODEC_CHOICES)
def test_the_video_shows_what_is_stored(episode, tmp_path, codec):
    encode_camera(episode, "ego", ALL, SIZE, tmp_path / "v.mp4", 30, codec)
    shown = decoded(tmp_path / "v.mp4")
    assert len(shown) == FRAMES
    assert min(psnr_db(image, truth) for image, truth in zip(shown, stored(episode), strict=True)) >= 35.0


@pytest.mark.parametrize("codec", CODEC_CHOICES)
@pytest.mark.parametrize("rate_hz", [7, 30, 60, 120])
def test_frame_k_lies_at_exactly_k_over_the_rate(episode, tmp_path, codec, rate_hz):
    encode_camera(episode, "ego", ALL, SIZE, tmp_path / "v.mp4", rate_hz, codec)
    with av.open(str(tmp_path / "v.mp4")) as container:
        stream = container.streams.video[0]
        times = [frame.pts * frame.time_base for frame in container.decode(stream)]
        assert stream.duration * stream.time_base == Fraction(FRAMES, rate_hz)
    assert times == [Fraction(frame, rate_hz) for frame in range(FRAMES)]


@pytest.mark.parametrize("codec", CODEC_CHOICES)
def test_every_second_frame_stands_alone_and_the_others_do_not(episode, tmp_path, codec):
    encode_camera(episode, "ego", ALL, SIZE, tmp_path / "v.mp4", 30, codec)
    with av.open(str(tmp_path / "v.mp4")) as container:
        keys = [packet.is_keyframe for packet in container.demux(video=0) if packet.size]
    assert keys == [True, False] * (FRAMES // 2)


@pytest.mark.parametrize("codec", CODEC_CHOICES)
def test_the_same_images_give_the_same_bytes(episode, tmp_path, codec):
    for name in ("a", "b"):
        encode_camera(episode, "ego", ALL, SIZE, tmp_path / name, 30, codec)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("codec", CODEC_CHOICES)
def test_a_video_is_as_it_is_described(episode, tmp_path, codec):
    encode_camera(episode, "ego", ALL, SIZE, tmp_path / "v.mp4", 30, codec)
    said = describe_video(SIZE, 30, codec)
    with av.open(str(tmp_path / "v.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height, stream.base_rate) == (said["video.width"], said["video.height"], said["video.fps"])
        assert (stream.codec.canonical_name, stream.pix_fmt) == (said["video.codec"], said["video.pix_fmt"])
        assert (stream.codec_context.colorspace, stream.codec_context.color_range) == (5, 1), "BT.601, limited"
        assert len(container.streams) == 1


def test_a_held_image_is_shown_again_and_another_order_is_kept(episode, tmp_path):
    encode_camera(episode, "ego", showing(0, 0, 0, 5, 2), SIZE, tmp_path / "v.mp4", 30, "h264")
    truth = stored(episode)
    assert all(psnr_db(image, truth[frame]) >= 35.0 for image, frame in zip(decoded(tmp_path / "v.mp4"), (0, 0, 0, 5, 2), strict=True))


def test_a_camera_without_any_image_is_black(episode, tmp_path):
    histogram = encode_camera(episode, "ego", showing(-1, -1), SIZE, tmp_path / "v.mp4", 30, "h264")
    assert max(image.max() for image in decoded(tmp_path / "v.mp4")) <= 2
    assert histogram.counts[:, 1:].sum() == 0


def test_images_are_resized_where_another_size_is_asked_for(episode, tmp_path):
    encode_camera(episode, "ego", ALL, (160, 120), tmp_path / "v.mp4", 30, "h264")
    for image, truth in zip(decoded(tmp_path / "v.mp4"), stored(episode), strict=True):
        assert psnr_db(image, cv2.resize(truth, (160, 120), interpolation=cv2.INTER_AREA)) >= 32.0


def test_an_odd_size_loses_its_last_column_and_row(tmp_path):
    episode = written(tmp_path, size=(161, 121))
    encode_camera(episode, "ego", ALL, (161, 121), tmp_path / "v.mp4", 30, "h264")
    assert exported_size((161, 121)) == (160, 120)
    for image, truth in zip(decoded(tmp_path / "v.mp4"), stored(episode), strict=True):
        assert psnr_db(image, truth[:120, :160]) >= 33.0
        assert psnr_db(image, truth[:120, :160]) > psnr_db(image, truth[1:, 1:]) + 3.0


def full_colour_jpeg(rgb):
    options = [cv2.IMWRITE_JPEG_QUALITY, 90, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    return bytes(cv2.imencode(".jpg", rgb[..., ::-1], options)[1])


def grey_jpeg(rgb):
    return bytes(cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY))[1])


def progressive_jpeg(rgb):
    return bytes(cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1])


@pytest.mark.parametrize("encode", [full_colour_jpeg, grey_jpeg, progressive_jpeg])
def test_other_kinds_of_jpeg_show_what_is_stored(tmp_path, encode):
    episode = written(tmp_path, encode)
    encode_camera(episode, "ego", ALL, SIZE, tmp_path / "v.mp4", 30, "h264")
    assert min(psnr_db(*pair) for pair in zip(decoded(tmp_path / "v.mp4"), stored(episode), strict=True)) >= 34.0


def test_statistics_count_the_pixels_that_lerobot_samples(episode, tmp_path):
    histogram = encode_camera(episode, "ego", ALL, SIZE, tmp_path / "v.mp4", 30, "h264")
    truth = np.stack(stored(episode))[:, ::2, ::2].reshape(-1, 3)  # 320 px: every second
    assert histogram.images == FRAMES
    assert histogram.counts.sum(axis=1).tolist() == [len(truth)] * 3
    means = histogram.counts @ np.arange(256) / len(truth)
    np.testing.assert_allclose(means, truth.mean(axis=0), atol=2.0)


def test_long_episodes_are_described_by_a_share_of_their_images():
    assert sampled_frames(1) == {0}
    assert sampled_frames(99) == set(range(99))
    assert len(sampled_frames(500)) == len(sampled_frames(101)) + 5 == 105
    assert {0, 499} <= sampled_frames(500)


def damage(path: Path, frame: int, data: bytes) -> None:
    with h5py.File(path, "r+") as file:
        file["images/ego"][frame] = np.frombuffer(data, np.uint8)


def test_a_damaged_image_is_an_error_that_names_it(tmp_path):
    episode = written(tmp_path)
    whole = episode.images.jpeg("ego", 3)
    episode.images.close()
    damage(tmp_path / "episode.h5", 3, whole[:3000] + bytes(2000) + whole[5000:])
    with pytest.raises(DataError, match="image 3 of camera 'ego' is damaged"):
        encode_camera(episode, "ego", ALL, SIZE, tmp_path / "v.mp4", 30, "h264")
    episode.images.close()
    damage(tmp_path / "episode.h5", 3, whole[:3000])
    with pytest.raises(DataError, match="image 3 of camera 'ego' is not a whole JPEG"):
        encode_camera(episode, "ego", ALL, SIZE, tmp_path / "v.mp4", 30, "h264")


def test_a_size_that_the_codec_cannot_hold_is_an_error_that_says_what_to_choose(episode, tmp_path):
    with pytest.raises(DataError, match=r"cannot be encoded as h264 at 20000x2 px.*--image-size or --codec"):
        encode_camera(episode, "ego", showing(0), (20000, 2), tmp_path / "v.mp4", 30, "h264")


def test_several_cameras_are_encoded_at_once_and_progress_counts_samples(tmp_path):
    sizes = {"ego": (64, 48), "chest": (96, 64)}
    made = natural_episode(5, sizes, joints=4)
    write_episode(tmp_path / "e.h5", made, images=images_of(made))
    seen = []
    histograms = encode_cameras(
        read_episode(tmp_path / "e.h5"), dict.fromkeys(sizes, showing(*range(5))), sizes, {name: tmp_path / name / "v.mp4" for name in sizes}, 30, "h264",
        lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    assert seen[-1] == (5, 5)
    assert list(histograms) == ["ego", "chest"]
    for name, size in sizes.items():
        check_video(tmp_path / name / "v.mp4", 5, size, 30)


def test_an_error_in_one_camera_ends_the_others(tmp_path):
    episode = written(tmp_path)
    episode.images.close()
    damage(tmp_path / "episode.h5", 1, b"no jpeg")
    samples = {"ego": ALL, "absent": showing(*[-1] * 100_000)}
    with pytest.raises(DataError, match="image 1 of camera 'ego'"):
        encode_cameras(episode, samples, dict.fromkeys(samples, SIZE), {name: tmp_path / f"{name}.mp4" for name in samples}, 30, "h264")


def test_an_interruption_ends_the_threads(episode, tmp_path):
    def interrupt(done: float, total: float) -> None:
        raise KeyboardInterrupt

    long = showing(*[frame % FRAMES for frame in range(100_000)])
    with pytest.raises(KeyboardInterrupt):
        encode_cameras(episode, {"ego": long}, {"ego": SIZE}, {"ego": tmp_path / "v.mp4"}, 30, "h264", interrupt)


def test_checking_a_video_finds_what_is_wrong_with_it(episode, tmp_path):
    path = tmp_path / "v.mp4"
    encode_camera(episode, "ego", ALL, SIZE, path, 30, "h264")
    check_video(path, FRAMES, SIZE, 30)
    with pytest.raises(DataError, match="it has 8 frames, not 9"):
        check_video(path, 9, SIZE, 30)
    with pytest.raises(DataError, match="it is 320x240 px, not 160x120"):
        check_video(path, FRAMES, (160, 120), 30)
    with pytest.raises(DataError, match="its frames lie at"):
        check_video(path, FRAMES, SIZE, 25)
    with pytest.raises(DataError, match="it is not there"):
        check_video(tmp_path / "none.mp4", FRAMES, SIZE, 30)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(DataError, match="it cannot be decoded"):
        check_video(path, FRAMES, SIZE, 30)
