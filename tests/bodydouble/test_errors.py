from pathlib import Path

import pytest

from bodydouble.errors import BodydoubleError, DataError, FileExistsUsageError, UnknownNameError, UsageError, did_you_mean


def test_an_unknown_name_lists_the_valid_ones_and_the_near_one() -> None:
    error = UnknownNameError("camera", "left_dwn", "rig 'helmet5'", ["front", "left_down"])
    assert str(error) == "camera 'left_dwn' is not in rig 'helmet5'; valid: front, left_down. Did you mean 'left_down'?"
    assert error.choices == ("front", "left_down")


def test_an_unknown_name_among_none_says_so() -> None:
    assert str(UnknownNameError("camera", "front", "the rig", [])) == "camera 'front' is not in the rig; valid: none."


def test_nothing_is_suggested_when_nothing_is_near() -> None:
    assert did_you_mean("zebra", ["front", "left_down"]) == ""


def test_an_existing_output_names_the_option() -> None:
    assert "--force" in str(FileExistsUsageError(Path("out.h5")))


@pytest.mark.parametrize(("kind", "code"), [(UsageError, 2), (DataError, 1), (BodydoubleError, 1)])
def test_exit_codes_tell_a_wrong_call_from_wrong_data(kind: type[BodydoubleError], code: int) -> None:
    assert kind("x").exit_code == code
