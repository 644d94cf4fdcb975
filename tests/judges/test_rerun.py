"""Rerun's own reader and its own checker, in their own environment, open what the Rerun export wrote."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bodydouble.datasets import write_episode
from bodydouble.datasets.exports.export_plan import plan_export
from bodydouble.datasets.exports.export_settings import ExportSettings
from bodydouble.datasets.exports.exporting import export

pytestmark = pytest.mark.judges

JUDGES = Path(__file__).parents[2] / ".judges" / "bin"
READ = """
import json, sys
import rerun
from rerun.chunk import RrdReader

reader = RrdReader(sys.argv[1])
(recording,) = reader.recordings()
rows, timelines = {}, set()
for chunk in reader.stream():
    if not chunk.is_static:
        rows[chunk.entity_path] = rows.get(chunk.entity_path, 0) + chunk.num_rows
        timelines |= set(chunk.timeline_names)
print(json.dumps({
    "version": rerun.__version__, "application": recording.application_id, "recording": recording.recording_id, "rows": rows,
    "timelines": sorted(timelines), "columns": [str(column) for column in reader.store().schema().component_columns()],
}))
"""


@pytest.fixture
def recording(tmp_path: Path, simulated_episode: Any, simulated_images: Any) -> tuple[Path, dict[str, Any], Any]:
    """Give an exported recording, its line in the index, and the episode."""
    pytest.importorskip(
        "rerun.chunk", reason="rerun-sdk 0.41 or newer (the extra 'rerun') is not installed here, so nothing can be exported"
    )
    if not (JUDGES / "python").exists():
        pytest.skip("the judges' environment (.judges) is not here; `make judges` makes it")
    episode = simulated_episode()
    write_episode(tmp_path / "episode.h5", episode, images=simulated_images(episode))
    index = export(plan_export("rerun", [tmp_path / "episode.h5"], ExportSettings(allow_unconsented=True)), tmp_path / "out")
    return tmp_path / "out" / "episode_000000.rrd", index["episodes"][0], episode


def _run(command: list[str], folder: Path) -> str:
    home = folder / "home"  # Rerun's program keeps its settings there; they are nobody's but this test's
    home.mkdir(exist_ok=True)
    env = {**os.environ, "HOME": str(home), "XDG_CONFIG_HOME": str(home), "XDG_DATA_HOME": str(home)}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_its_reader_finds_every_entity_and_frame(recording: tuple[Path, dict[str, Any], Any], tmp_path: Path) -> None:
    path, entry, episode = recording
    read = json.loads(_run([str(JUDGES / "python"), "-P", "-c", READ, str(path)], tmp_path).splitlines()[-1])
    assert read["application"] == "bodydouble"
    assert read["recording"] == entry["identity"]
    assert read["timelines"] == ["capture_time", "frame"]
    images = {
        f"/world/cameras/{camera}/image": int(present.sum())
        for camera, present in zip(episode.cameras, episode.recording.present, strict=True)
    }
    joints = [f"/robot/positions/{group}/{joint}" for group, names in episode.trajectory.joint_groups.items() for joint in names]
    expected = images | dict.fromkeys(["/world/human/landmarks", "/world/human/bones", "/world/robot/base", *joints], episode.frames)
    assert {entity: read["rows"].get(entity) for entity in expected} == expected
    columns = "\n".join(read["columns"])
    for component in ("EncodedImage:blob", "Pinhole:image_from_camera", "Transform3D:quaternion", "Points3D:class_ids", "Scalars:scalars"):
        assert component in columns


def test_its_checker_has_no_complaint(recording: tuple[Path, dict[str, Any], Any], tmp_path: Path) -> None:
    program = str(JUDGES / "rerun")
    _run([program, "analytics", "disable"], tmp_path)
    assert "1 file verified without error" in _run([program, "rrd", "verify", str(recording[0])], tmp_path)
