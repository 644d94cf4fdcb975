from pathlib import Path

import pytest
from pydantic import Field, ValidationError

from bodydouble.config import Settings, load_settings, parse_settings, read_toml, save_settings
from bodydouble.errors import UsageError


class Lens(Settings):
    focal: tuple[float, float]
    distortion: tuple[float, ...] = ()


class RigFile(Settings):
    name: str
    cameras: dict[str, Lens] = Field(default_factory=dict)
    stature: float | None = None


def loaded(tmp_path: Path, text: str) -> RigFile:
    path = tmp_path / "rig.toml"
    path.write_text(text, encoding="utf-8")
    return load_settings(path, RigFile)


def test_what_is_saved_is_loaded_again(tmp_path: Path) -> None:
    settings = RigFile(name="größer", cameras={"front": Lens(focal=(600.0, 601.5))})
    save_settings(tmp_path / "rig.toml", settings, header="first\nsecond")
    assert load_settings(tmp_path / "rig.toml", RigFile) == settings
    assert (tmp_path / "rig.toml").read_text(encoding="utf-8").startswith("# first\n# second\n")


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        RigFile(name="a").name = "b"  # type: ignore[misc]


def test_an_unknown_key_gives_the_valid_and_the_near_ones(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"rig\.toml: unknown key 'nmae' \(valid keys: name, cameras, stature\)\. Did you mean 'name'\?"):
        loaded(tmp_path, 'nmae = "a"\nname = "b"')


def test_an_unknown_key_inside_a_table_of_tables_gives_the_keys_of_that_table(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'cameras\.front\.focl' \(valid keys: focal, distortion\)\. Did you mean 'focal'\?"):
        loaded(tmp_path, 'name = "b"\n[cameras.front]\nfocal = [1, 1]\nfocl = 3')


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="key 'name' is missing"):
        loaded(tmp_path, "stature = 1.7")


def test_a_wrong_value_is_shown(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'stature'.*found 'tall'"):
        loaded(tmp_path, 'name = "a"\nstature = "tall"')


def test_several_mistakes_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'nam'.*key 'name' is missing|key 'name' is missing.*'nam'"):
        loaded(tmp_path, 'nam = "a"')


@pytest.mark.parametrize("text", ["name = ", "[", "name = 'a'\nname = 'b'"])
def test_what_is_not_toml_is_told_with_the_place(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match=r"rig\.toml is not valid TOML: .*\(at (line|end of)"):
        loaded(tmp_path, text)


def test_bytes_that_are_no_text_are_not_toml(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="not valid TOML"):
        read_toml(tmp_path / "a.toml")


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        read_toml(tmp_path / "none.toml")
    with pytest.raises(UsageError, match="is a folder"):
        read_toml(tmp_path)


def test_the_source_of_plain_values_is_named() -> None:
    with pytest.raises(UsageError, match="option --rig: key 'name' is missing"):
        parse_settings({}, RigFile, source="option --rig")
