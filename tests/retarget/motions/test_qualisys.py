"""Qualisys TSV files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bodydouble.errors import BodydoubleError, DataError, UsageError
from bodydouble.retarget.motions.qualisys import read_qualisys

HEADER = "NO_OF_FRAMES\t{frames}\nNO_OF_CAMERAS\t7\nNO_OF_MARKERS\t2\nFREQUENCY\t{rate}\nDATA_INCLUDED\t{kind}\nMARKER_NAMES\ta\tb\n"
TITLES = "Frame\tTime\ta X\ta Y\ta Z\tb X\tb Y\tb Z\t\n"
ROWS = ["1\t0.00000\t1\t2\t3\t4\t5\t6", "2\t0.01000\t1.5\t2\t3\t0.000\t0.000\t0.000", "3\t0.02000\t2\t2\t3\t7\t\t9"]


def written(
    tmp_path: Path,
    rows: list[str] = ROWS,
    *,
    rate: str = "100",
    kind: str = "3D",
    titles: str = TITLES,
    frames: int = 3,
    names: str = "a\tb",
) -> Path:
    text = (
        HEADER.format(frames=frames, rate=rate, kind=kind).replace("MARKER_NAMES\ta\tb", f"MARKER_NAMES\t{names}")
        + titles
        + "\n".join(rows)
        + "\n"
    )
    (tmp_path / "x.tsv").write_text(text)
    return tmp_path / "x.tsv"


def test_zeros_and_empty_cells_are_markers_that_were_not_seen(tmp_path: Path) -> None:
    found = read_qualisys(written(tmp_path))
    assert found.names == ("a", "b")
    np.testing.assert_allclose(found.times_s, [0, 0.01, 0.02])
    np.testing.assert_allclose(found.places[1, 0], [1.5, 2, 3])
    assert np.isnan(found.places[1, 1]).all()
    assert np.isnan(found.places[2, 1, 1])


def test_files_without_titles_or_without_frame_and_time_are_read(tmp_path: Path) -> None:
    whole = read_qualisys(written(tmp_path)).places
    np.testing.assert_array_equal(read_qualisys(written(tmp_path, titles="")).places, whole)
    bare = [row.split("\t", 2)[2] for row in ROWS]
    np.testing.assert_array_equal(read_qualisys(written(tmp_path, bare, titles="")).places, whole)
    np.testing.assert_array_equal(read_qualisys(written(tmp_path, [row + "\t" for row in ROWS])).places, whole)


def test_the_rate_that_is_passed_stands_for_the_files(tmp_path: Path) -> None:
    np.testing.assert_allclose(read_qualisys(written(tmp_path), 50.0).times_s, [0, 0.02, 0.04])


def test_a_recording_cut_out_of_a_longer_one_starts_at_zero(tmp_path: Path) -> None:
    late = [row.replace("\t0.0", "\t12.0", 1) for row in ROWS]
    np.testing.assert_allclose(read_qualisys(written(tmp_path, late)).times_s, [0, 0.01, 0.02], atol=1e-9)


def test_damaged_files_are_one_sentence(tmp_path: Path) -> None:
    for made, message in [
        (dict(rows=[]), "holds no frames"),
        (dict(rows=[*ROWS[:2], "3\t0.02\t1"]), r"line 10: the last line has 3 of 8 columns: the file is cut off"),
        (dict(rows=[ROWS[0], ROWS[1] + "\t7\t8", ROWS[2]]), r"line 9: 10 columns where the header has 8"),
        (dict(rows=[ROWS[0], ROWS[1].replace("1.5", "x")]), "not a number"),
        (dict(frames=5), "says 5 frames and holds 3: it is cut off"),
        (dict(kind="2D"), "holds 2D data; 3D marker positions are needed"),
        (dict(kind="6D"), "holds 6D data"),
        (dict(names="a\tb\tc"), "8 columns for 3 markers; 3 a marker were expected"),
        (dict(rate="often"), "no FREQUENCY line with a number; pass --rate-hz"),
        (dict(rows=["1\t0\t0\t0\t0\t0\t0\t0"], frames=1), "every value is missing"),
    ]:
        with pytest.raises(DataError, match=message):
            read_qualisys(written(tmp_path, **made))
    with pytest.raises(UsageError, match="0 Hz"):
        read_qualisys(written(tmp_path, rate="0"))
    (tmp_path / "y.tsv").write_text("a\tb\n1\t2\n")
    with pytest.raises(DataError, match="no MARKER_NAMES line"):
        read_qualisys(tmp_path / "y.tsv")


@pytest.mark.parametrize("cut", range(0, 280, 11))
def test_a_file_cut_off_anywhere_is_an_error_of_ours(tmp_path: Path, cut: int) -> None:
    path = written(tmp_path)
    text = path.read_text()
    path.write_text(text[: min(cut, len(text) - 4)])
    with pytest.raises(BodydoubleError):
        read_qualisys(path)
