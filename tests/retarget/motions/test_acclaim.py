"""ASF skeletons and AMC motions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bodydouble.errors import BodydoubleError, DataError, UsageError
from bodydouble.retarget.motions.acclaim import motion_beside, read_acclaim, skeleton_beside

ASF = """# made by hand
:version 1.10
:name arm
:units
  mass 1.0
  length 0.45
  angle deg
:root
   order TX TY TZ RX RY RZ
   axis XYZ
   position 0 0 0
   orientation 0 0 0
:bonedata
  begin
     id 1
     name upper
     direction 1 0 0
     length 4
     axis 0 0 90 XYZ
     dof rx ry rz
     limits (-10 170)
            (-90 90)
            (-90 90)
  end
  begin
     id 2
     name lower
     direction 1 0 0
     length 2
     axis 0 0 0 XYZ
     dof rz
  end
:hierarchy
  begin
    root upper
    upper lower
  end
"""
AMC = """#!OML:ASF arm.ASF
:FULLY-SPECIFIED
:DEGREES
1
root 0 0 0 0 0 0
upper 0 0 0
lower 0
2
root 1 2 3 0 0 0
upper 0 0 90
lower 90
3
root 0 0 0 90 0 0
upper 90 0 0
lower 0
"""


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    (tmp_path / "arm.asf").write_text(ASF)
    (tmp_path / "arm.amc").write_text(AMC)
    return tmp_path / "arm.amc", tmp_path / "arm.asf"


def test_bones_turn_about_their_own_axes_and_start_where_their_parent_ends(files: tuple[Path, Path]) -> None:
    found = read_acclaim(*files, 120.0)
    place = {name: found.places[:, row] for row, name in enumerate(found.names)}
    assert found.metres == pytest.approx(0.0254 / 0.45)
    np.testing.assert_allclose(place["lower"][0], [4, 0, 0], atol=1e-12)
    np.testing.assert_allclose(place["lower_end"][0], [6, 0, 0], atol=1e-12)
    # Frame 2: about z by 90 degrees, the lower once more.
    np.testing.assert_allclose(place["lower"][1], [1, 6, 3], atol=1e-12)
    np.testing.assert_allclose(place["lower_end"][1], [-1, 6, 3], atol=1e-12)
    # Frame 3: upper's x axis is turned to y, about which x goes to -z; the root then turns that to y.
    np.testing.assert_allclose(place["lower"][2], [0, 4, 0], atol=1e-12)
    np.testing.assert_allclose(found.rest[found.names.index("lower_end")], [6, 0, 0])
    np.testing.assert_allclose(found.rotations[0], np.broadcast_to(np.eye(3), found.rotations[0].shape), atol=1e-12)


def test_radians_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    (tmp_path / "arm.asf").write_text(
        ASF.replace("angle deg", "angle rad").replace("axis 0 0 90", f"axis 0 0 {np.pi / 2}").replace("\n", "\r\n")
    )
    (tmp_path / "arm.amc").write_text(AMC.replace("90", str(np.pi / 2)).replace(":DEGREES", ":radians").replace("\n", "\r\n"))
    found = read_acclaim(tmp_path / "arm.amc", tmp_path / "arm.asf", 120.0)
    np.testing.assert_allclose(found.places[1, found.names.index("lower_end")], [-1, 6, 3], atol=1e-9)


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (
            "amc",
            "2\nroot 1 2 3 0 0 0\nupper 0 0 90\nlower 90\n",
            "2\nroot 1 2 3 0 0 0\nupper 0 0 90\n",
            "frame 2 has 2 bones where the first has 3",
        ),
        ("amc", "upper 0 0 90", "upper 0 0", "frame 2 has 'upper 0 0' where 'upper' with 3 numbers was expected"),
        ("amc", "upper 0 0 90", "other 0 0 90", "frame 2 has 'other 0 0 90' where 'upper'"),
        ("amc", "upper 0 0 90", "upper 0 0 x", "bone 'upper' has a value that is not a number"),
        (
            "amc",
            "1\nroot 0 0 0 0 0 0\nupper",
            "1\nroot 0 0 0 0 0 0\nupperarm",
            "moves the bone 'upperarm', which its skeleton does not have",
        ),
        ("amc", AMC, ":DEGREES\n", "holds no frames"),
        ("asf", ":hierarchy", ":order", "it has no :hierarchy section"),
        ("asf", "upper lower\n", "upper elbow\n", "'elbow' is missing or not known"),
        ("asf", "length 0.45", "length 0", "cannot be read as an ASF skeleton"),
        ("asf", "length 4", "length four", "cannot be read as an ASF skeleton"),
        ("asf", "    root upper\n    upper lower\n", "", "its hierarchy is empty"),
    ],
)
def test_a_damaged_file_is_one_sentence(files: tuple[Path, Path], file: str, old: str, new: str, message: str) -> None:
    path = files[0] if file == "amc" else files[1]
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(DataError, match=message):
        read_acclaim(*files, 120.0)


@pytest.mark.parametrize("cut", range(0, len(AMC) - 12, 9))
def test_a_motion_cut_off_anywhere_is_an_error_or_fewer_whole_frames(files: tuple[Path, Path], cut: int) -> None:
    files[0].write_text(AMC[:cut])
    try:
        found = read_acclaim(*files, 120.0)
    except BodydoubleError:
        return
    assert len(found.times_s) < 3
    assert np.isfinite(found.places).all()


def test_the_skeleton_is_the_one_of_the_same_name_or_the_only_one(files: tuple[Path, Path], tmp_path: Path) -> None:
    amc, asf = files
    assert skeleton_beside(amc) == asf
    other = tmp_path / "walk.amc"
    other.write_text(AMC)
    assert skeleton_beside(other) == asf
    (tmp_path / "bob.asf").write_text(ASF)
    with pytest.raises(UsageError, match=r"2 skeletons are in its folder \(arm\.asf, bob\.asf\); pass --asf"):
        skeleton_beside(other)
    asf.unlink()
    (tmp_path / "bob.asf").unlink()
    with pytest.raises(UsageError, match=r"no \.asf is in its folder; pass --asf FILE"):
        skeleton_beside(other)


def test_the_motion_of_a_skeleton_is_the_one_of_the_same_name(files: tuple[Path, Path]) -> None:
    amc, asf = files
    assert motion_beside(asf) == amc
    amc.unlink()
    with pytest.raises(UsageError, match=r"skeleton without motion, and arm\.amc is not beside it"):
        motion_beside(asf)


def numbered(frames: int, *, turn: float = 0.0, step: float = 0.0, head: str = "") -> str:
    """Return an AMC whose three angles of the upper bone swing by ``turn`` to each side, and whose root goes by ``step`` a frame."""
    rows = []
    for frame in range(frames):
        swing = " ".join(f"{turn * np.sin(0.2 * frame + phase):.5f}" for phase in (0, 1, 2))
        rows.append(f"{frame + 1}\nroot {frame * step:.4f} 0 0 0 0 0\nupper {swing}\nlower 0\n")
    return head + "".join(rows)


@pytest.mark.parametrize(
    ("head", "skeleton", "degrees"),
    [(":DEGREES\n", "deg", True), (":RADIANS\n", "deg", False), (":degrees\n", "rad", True), ("", "deg", True), ("", "rad", False)],
)
def test_the_unit_of_angles_is_the_motions_own_else_the_skeletons(tmp_path: Path, head: str, skeleton: str, degrees: bool) -> None:
    asf = ASF.replace("angle deg", f"angle {skeleton}").replace("axis 0 0 90", f"axis 0 0 {90 if skeleton == 'deg' else np.pi / 2}")
    (tmp_path / "arm.asf").write_text(asf)
    (tmp_path / "arm.amc").write_text(f"{head}1\nroot 0 0 0 0 0 0\nupper 0 0 {90 if degrees else np.pi / 2}\nlower 0\n")
    found = read_acclaim(tmp_path / "arm.amc", tmp_path / "arm.asf", 120.0)
    np.testing.assert_allclose(found.places[0, found.names.index("lower")], [0, 4, 0], atol=1e-9)


@pytest.mark.parametrize("head", [":DEGREES\n", ""])
@pytest.mark.parametrize(("turn", "step"), [(1.2, 0.0), (0.5, 0.5)])
def test_angles_that_are_too_small_for_degrees_are_said_to_look_like_radians(
    files: tuple[Path, Path], head: str, turn: float, step: float
) -> None:
    files[0].write_text(numbered(200, turn=turn, step=step, head=head))
    said = "says :DEGREES" if head else "says no unit of angles, and its skeleton says degrees"
    with pytest.raises(
        DataError, match=rf"arm\.amc {said}, but in a motion of 200 frames no joint .* it looks like radians\. Write :RADIANS"
    ):
        read_acclaim(*files, 120.0)


def test_angles_that_are_too_large_for_radians_are_said_to_look_like_degrees(files: tuple[Path, Path]) -> None:
    files[0].write_text(numbered(3, turn=90.0, head=":RADIANS\n"))
    with pytest.raises(DataError, match=r"arm\.amc says :RADIANS, but its joints turn by up to .* it looks like degrees\. Write :DEGREES"):
        read_acclaim(*files, 120.0)


@pytest.mark.parametrize(("frames", "turn", "step"), [(200, 0.3, 0.0), (200, 0.1, 0.5), (200, 5.0, 0.5), (30, 1.2, 0.5)])
def test_somebody_who_stands_still_or_is_seen_briefly_keeps_the_unit_that_is_said(
    files: tuple[Path, Path], frames: int, turn: float, step: float
) -> None:
    files[0].write_text(numbered(frames, turn=turn, step=step, head=":DEGREES\n"))
    assert len(read_acclaim(*files, 120.0).times_s) == frames


def test_an_infinite_angle_is_one_sentence_without_warnings(files: tuple[Path, Path], recwarn: pytest.WarningsRecorder) -> None:
    files[0].write_text(AMC.replace("upper 0 0 90", "upper 0 0 inf"))
    with pytest.raises(DataError, match=r"bone 'upper' has an infinite value in frame 2; the file is damaged"):
        read_acclaim(*files, 120.0)
    assert [str(warning.message) for warning in recwarn] == []
