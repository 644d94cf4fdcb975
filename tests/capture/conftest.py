"""Small simulated videos: a grey level a frame, left half darker, so that a frame tells its number and which way is up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("BODYDOUBLE_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session")
def caliscope_sample() -> Path:
    folder = SHARED / "multicam_calib" / "caliscope_hands_board"
    if not folder.is_dir():
        pytest.skip("the developers' sample data are not there")
    return folder


def level(frame: int) -> int:
    return 40 + 12 * (frame % 16)


@pytest.fixture
def make_video() -> Callable[..., Path]:
    """Write a video whose frames are at ``times`` (s), to the millisecond."""

    def make(
        path: Path, times: Sequence[float] = tuple(np.arange(10) / 25), *, size=(64, 48), codec="libx264", gop=8, options=None
    ) -> Path:
        import av

        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(path), "w", options=options or {}) as container:
            stream = container.add_stream(codec, rate=25)
            stream.width, stream.height, stream.pix_fmt = (*size, "yuv420p")
            stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
            stream.gop_size = gop
            for index, time in enumerate(times):
                image = np.full((size[1], size[0], 3), level(index), np.uint8)
                image[:, : size[0] // 2] = 10
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame.pts, frame.time_base = round(1000 * time), Fraction(1, 1000)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return path

    return make


@pytest.fixture
def sound_only(tmp_path: Path) -> Path:
    import av

    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
