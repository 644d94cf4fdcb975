"""Where the cameras of a recording were, and which tag map tells."""

from __future__ import annotations

from bodydouble.capture import Recording, open_recording
from bodydouble.datasets.locating import tag_map_path


def test_the_tag_map_of_a_folder_of_videos_is_the_one_beside_them(sample_cache, tmp_path):
    for name in ("cam03.mp4", "cam04.mp4"):
        (tmp_path / name).write_bytes((sample_cache.recording / name).read_bytes())
    assert tag_map_path(open_recording(tmp_path), None) is None
    (tmp_path / "tag_map.toml").write_text("")
    assert tag_map_path(open_recording(tmp_path), None) == tmp_path / "tag_map.toml"
    assert tag_map_path(open_recording(tmp_path), tmp_path / "other.toml") == tmp_path / "other.toml"


def test_the_tag_map_of_a_recording_is_its_own(sample_cache, tmp_path):
    recording = Recording.open(sample_cache.recording)
    assert tag_map_path(recording, None) is None
    assert tag_map_path(recording, tmp_path / "chosen.toml") == tmp_path / "chosen.toml"
