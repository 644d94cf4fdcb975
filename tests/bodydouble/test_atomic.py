import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from bodydouble.atomic import OutOfSpaceError, check_can_be_written, replacing, take_lock, write_atomically
from bodydouble.errors import BodydoubleError, FileExistsUsageError, UsageError


def names_in(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_a_file_appears_whole_and_its_folders_are_made(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a" / "b.txt", b"content")
    assert (tmp_path / "a" / "b.txt").read_bytes() == b"content"
    assert names_in(tmp_path / "a") == ["b.txt"]


@pytest.mark.parametrize("failure", [ValueError("x"), KeyboardInterrupt()])
def test_after_a_failure_the_old_file_stays_and_nothing_is_left(tmp_path: Path, failure: BaseException) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")

    def write() -> None:
        with replacing(target) as partial:
            partial.write_text("half")
            raise failure

    with pytest.raises(type(failure)):
        write()
    assert target.read_text() == "old"
    assert names_in(tmp_path) == ["a.txt"]


def test_the_old_file_stands_until_the_new_one_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with replacing(target) as partial:
        partial.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"


def test_two_writers_of_one_target_do_not_meet(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    with replacing(target) as one, replacing(target) as two:
        assert one != two
        one.write_text("one")
        two.write_text("two")
    assert target.read_text() == "one"
    assert names_in(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_one_sentence(tmp_path: Path, code: int) -> None:
    def write() -> None:
        with replacing(tmp_path / "a.txt") as partial:
            partial.write_text("half")
            raise OSError(code, "message of the system")

    with pytest.raises(OutOfSpaceError, match=r"No space left while writing .*a\.txt; nothing under that name was changed"):
        write()
    assert names_in(tmp_path) == []


def test_a_real_limit_of_file_size_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")
    code = (
        "import sys; from pathlib import Path; from bodydouble.atomic import OutOfSpaceError, write_atomically\n"
        "try: write_atomically(Path(sys.argv[1]), bytes(1_000_000))\n"
        "except OutOfSpaceError: sys.exit(7)"
    )

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    done = subprocess.run([sys.executable, "-B", "-c", code, str(target)], preexec_fn=limit, check=False)
    assert done.returncode == 7
    assert target.read_bytes() == b"old"
    assert names_in(tmp_path) == ["a.bin"]


@pytest.mark.parametrize("below", ["b.txt", "c/b.txt"])
def test_a_file_where_a_folder_is_needed_is_one_sentence(tmp_path: Path, below: str) -> None:
    (tmp_path / "a").write_text("a file")
    with pytest.raises(BodydoubleError, match="a file stands where a folder is needed"):
        write_atomically(tmp_path / "a" / below, b"x")


def test_a_folder_that_may_not_be_written_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(BodydoubleError, match="cannot be written: Permission denied"):
        write_atomically(tmp_path / "a" / "b.txt", b"x")


def test_other_errors_of_the_system_pass(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "a.txt"):
        pass


def test_a_target_that_must_be_new_keeps_what_another_process_put_there_meanwhile(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"

    def write() -> None:
        with replacing(target, new=True) as partial:
            partial.write_text("later")
            target.write_text("earlier")

    with pytest.raises(FileExistsUsageError, match="already exists and was left as it is"):
        write()
    assert target.read_text() == "earlier"
    assert names_in(tmp_path) == ["a.txt"]


def test_a_target_that_must_be_new_appears_also_where_there_are_no_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    for name in ("linked", "renamed"):
        with replacing(tmp_path / name, new=True) as partial:
            partial.write_text("new")
        assert (tmp_path / name).read_text() == "new"
        monkeypatch.setattr("os.link", refuse)
    assert names_in(tmp_path) == ["linked", "renamed"]


@pytest.mark.parametrize(
    ("name", "sentence"), [("folder", "is a folder; the name of a file was expected"), ("a" * 300, "name is too long")]
)
def test_a_name_that_cannot_be_a_file_is_one_sentence(tmp_path: Path, name: str, sentence: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError, match=sentence):
        write_atomically(tmp_path / name, b"x")
    assert names_in(tmp_path) == ["folder"]


def test_a_lock_keeps_another_process_out_until_it_is_closed(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from bodydouble.atomic import take_lock; take_lock(Path(sys.argv[1])); print('in')"
    with take_lock(tmp_path / "a" / "lock"):
        other = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "a" / "lock")], stdout=subprocess.PIPE, text=True)
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(1.0)
    assert other.communicate(timeout=30)[0] == "in\n"


def test_a_folder_that_can_be_written_is_made_and_left_empty(tmp_path):
    check_can_be_written(tmp_path / "new" / "episode.h5")
    assert list((tmp_path / "new").iterdir()) == []


def test_a_target_below_a_file_is_refused_before_any_work(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(BodydoubleError, match="a file stands where a folder is needed"):
        check_can_be_written(tmp_path / "file" / "episode.h5")


HOLD = """
import sys, time
from pathlib import Path
from bodydouble.atomic import replacing
with replacing(Path(sys.argv[1])) as partial:
    partial.write_text("half")
    print("in", flush=True)
    time.sleep(60)
"""


def holding(target: Path) -> "subprocess.Popen[str]":
    """Start a process that is in the middle of writing ``target``."""
    other = subprocess.Popen([sys.executable, "-c", HOLD, str(target)], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "in\n"
    return other


def test_what_a_killed_process_left_is_removed_by_the_next_write_of_that_name_alone(tmp_path: Path) -> None:
    killed = [holding(tmp_path / name) for name in ("a.txt", "other.txt")]
    for process in killed:
        process.kill()
        process.communicate(timeout=30)
    left = names_in(tmp_path)
    assert len(left) == 2
    write_atomically(tmp_path / "a.txt", b"new")
    assert names_in(tmp_path) == [next(name for name in left if name.startswith(".other.txt.")), "a.txt"]


def test_what_another_process_is_writing_is_left_to_it(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    other = holding(target)
    try:
        before = names_in(tmp_path)
        write_atomically(target, b"new")
        assert names_in(tmp_path) == [*before, "a.txt"]
    finally:
        other.kill()
        other.communicate(timeout=30)


def test_what_a_process_of_another_host_or_user_is_writing_is_left_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with replacing(tmp_path / "a.txt") as partial:
        partial.write_text("x")
        number, token = partial.name.split(".")[3].split("-")
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait(30)
    elsewhere = tmp_path / f".a.txt.{gone.pid}-{'0' * 6 if token[:6] != '0' * 6 else '1' * 6}{token[6:]}.partial"
    own = tmp_path / f".a.txt.{number}-{token[:6]}abcdef.partial"
    for path in (elsewhere, own):
        path.write_text("half")

    def refuse(process: int, number: int) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "kill", refuse)
    write_atomically(tmp_path / "a.txt", b"new")
    assert elsewhere.exists()
    assert own.exists()


def test_a_folder_that_takes_no_files_is_named_and_not_the_file_it_was_tried_with() -> None:
    if not Path("/proc/self").exists():
        pytest.skip("no /proc here")
    with pytest.raises(
        BodydoubleError, match=r"^/proc/x\.h5 cannot be written: /proc takes no new files \(.*\)\. Choose another output folder\.$"
    ):
        check_can_be_written(Path("/proc/x.h5"))
