"""The rig and rig.toml."""

from __future__ import annotations

import pickle
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bodydouble.cache import content_key
from bodydouble.calibration import MODELS, MountedCamera, PinholeCamera, Rig
from bodydouble.calibration.cameras.models import name_of
from bodydouble.calibration.rig import Assumed, Sigma
from bodydouble.errors import UnknownNameError, UsageError


def edited(rig: Rig, folder: Path, old: str, new: str) -> Path:
    path = folder / "rig.toml"
    rig.save(path)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return path


def with_rotation(rig: Rig, folder: Path, rotation: np.ndarray) -> Path:
    import tomllib

    import tomli_w

    path = folder / "rig.toml"
    rig.save(path)
    values = tomllib.loads(path.read_text())
    T = np.eye(4)
    T[:3, :3] = rotation
    values["cameras"]["wall"]["T_body_camera"] = T.tolist()
    path.write_text(tomli_w.dumps(values))
    return path


def test_a_saved_rig_loads_to_the_last_bit(rig, tmp_path):
    rig.save(tmp_path / "rig.toml")
    loaded = Rig.load(tmp_path / "rig.toml")
    assert (loaded.name, loaded.bodies, loaded.names) == (rig.name, rig.bodies, rig.names)
    for name in rig.names:
        assert loaded.camera(name).model == rig.camera(name).model
        assert loaded.camera(name).sigma == rig.camera(name).sigma
        assert np.array_equal(loaded.camera(name).T_body_camera, rig.camera(name).T_body_camera)


def test_clocks_that_are_off_are_saved_and_those_that_are_not_take_no_line(rig, tmp_path):
    front = replace(rig.camera("front"), time_offset_s=-0.0031, sigma=Sigma(time_offset_s=2e-4))
    Rig("clocks", rig.bodies, {"wall": rig.camera("wall"), "front": front}).save(tmp_path / "rig.toml")
    loaded = Rig.load(tmp_path / "rig.toml")
    assert loaded.camera("front").time_offset_s == -0.0031
    assert loaded.camera("front").sigma == Sigma(time_offset_s=2e-4)
    assert loaded.camera("wall").time_offset_s == 0.0
    assert "time_offset_s" not in (tmp_path / "rig.toml").read_text().split("[cameras.wall]")[1].split("[cameras.front]")[0]


def test_a_clock_offset_that_is_no_number_is_refused(rig, tmp_path):
    with pytest.raises(UsageError, match=r"camera 'wall': time_offset_s is nan; expected a finite number of seconds"):
        replace(rig.camera("wall"), time_offset_s=float("nan"))
    with pytest.raises(UsageError, match=r"cameras\.wall\.time_offset_s"):
        Rig.load(edited(rig, tmp_path, 'body = "room"\n', 'body = "room"\ntime_offset_s = inf\n'))


def test_what_is_assumed_survives_saving(rig, tmp_path):
    assumed = Rig(rig.name, rig.bodies, rig.cameras, {"wall.focal_px": Assumed(1500.0, 300.0)})
    assumed.save(tmp_path / "rig.toml")
    assert dict(Rig.load(tmp_path / "rig.toml").assumed) == {"wall.focal_px": Assumed(1500.0, 300.0)}
    assert dict(assumed.select(["front"]).assumed) == {}


def test_poses_are_read_only(rig):
    with pytest.raises(ValueError, match="read-only"):
        rig.camera("wall").T_body_camera[0, 3] = 1.0


def test_a_rig_can_be_hashed_for_the_cache_and_sent_to_another_process(rig, tmp_path):
    rig.save(tmp_path / "rig.toml")
    assert content_key(rig) == content_key(pickle.loads(pickle.dumps(rig))) == content_key(Rig.load(tmp_path / "rig.toml"))
    assert content_key(rig) != content_key(rig.select(["wall"]))


def test_an_unknown_camera_lists_the_names(rig):
    with pytest.raises(UnknownNameError, match=r"camera 'frnt' is not in rig 'test rig'; valid: wall, front\. Did you mean 'front'\?"):
        rig.camera("frnt")


def test_selected_cameras_come_in_the_order_asked_for(rig):
    assert rig.select(["front", "wall"]).names == ("front", "wall")


def test_an_unknown_key_is_named_with_its_neighbours(rig, tmp_path):
    path = edited(rig, tmp_path, "focal_px", "focal_lenght_px")
    with pytest.raises(UsageError, match=r"rig\.toml.*unknown key 'cameras\.wall\.focal_lenght_px'.*focal_px"):
        Rig.load(path)


def test_a_missing_key_is_named(rig, tmp_path):
    with pytest.raises(UsageError, match=r"'cameras\.wall\.body' is missing"):
        Rig.load(edited(rig, tmp_path, 'body = "room"\n', ""))


def test_a_left_handed_rotation_is_refused_in_one_sentence(rig, tmp_path):
    with pytest.raises(UsageError, match=r"camera 'wall': T_body_camera is left-handed \(determinant -1\.000\)") as caught:
        Rig.load(with_rotation(rig, tmp_path, np.diag([1.0, -1.0, 1.0])))
    assert "\n" not in str(caught.value)


def test_a_stretched_rotation_is_refused(rig, tmp_path):
    with pytest.raises(UsageError, match="is not a rotation"):
        Rig.load(with_rotation(rig, tmp_path, 1.01 * np.eye(3)))


def test_a_rotation_printed_with_five_digits_is_taken_and_made_exact(rig, tmp_path):
    rounded = np.round(rig.camera("wall").T_body_camera[:3, :3], 5)
    R = Rig.load(with_rotation(rig, tmp_path, rounded)).camera("wall").T_body_camera[:3, :3]
    assert np.abs(R.T @ R - np.eye(3)).max() < 1e-14
    assert np.abs(R - rounded).max() < 1e-4


def test_an_unknown_model_lists_the_known_ones(rig, tmp_path):
    with pytest.raises(UsageError, match="'pinhole', 'fisheye', 'omni', 'double_sphere' or 'fisheye624'"):
        Rig.load(edited(rig, tmp_path, 'model = "pinhole"', 'model = "thin_lens"'))


EVERY_MODEL = {
    "pinhole": (-0.1, 0.02, 1e-3, -5e-4, 1 / 3),
    "pinhole with eight terms": (-0.1, 0.02, 1e-3, -5e-4, 1 / 3, 0.1, 0.2, 1 / 7),
    "fisheye": (0.01, -0.001, 1e-4, 1 / 3e5),
    "omni": (1.4, -0.1, 0.05, 1e-3, -1 / 3e3),
    "double_sphere": (-0.2, 5 / 9),
    "fisheye624": (0.02, -0.01, 0.003, -1e-3, 1e-4, 1e-5, 1e-3, -5e-4, 2e-3, 1e-4, -1e-3, -1 / 3e4),
}


def test_rig_toml_holds_every_model_to_the_last_bit(tmp_path):
    models = {name: MODELS[name.split()[0]]((1600, 1200), (500 / 3, 510.1), (801.7, 599.9), k) for name, k in EVERY_MODEL.items()}
    assert {name_of(model) for model in models.values()} == set(MODELS)
    rig = Rig("all", ("room",), {name: MountedCamera(name, model, "room", np.eye(4)) for name, model in models.items()})
    rig.save(tmp_path / "rig.toml")
    loaded = Rig.load(tmp_path / "rig.toml")
    for name, model in models.items():
        assert loaded.camera(name).model == model
        assert type(loaded.camera(name).model) is type(model)


@pytest.mark.parametrize("name", EVERY_MODEL)
def test_numbers_that_are_no_lens_are_refused_in_one_sentence(tmp_path, name):
    model = MODELS[name.split()[0]]((1600, 1200), (500.0, 510.0), (801.7, 599.9), EVERY_MODEL[name])
    path = tmp_path / "rig.toml"
    Rig("one", ("room",), {"eye": MountedCamera("eye", model, "room", np.eye(4))}).save(path)
    text = path.read_text()
    path.write_text(re.sub(r"(distortion = \[\s*)", r"\g<1>0.5, ", text))
    with pytest.raises(UsageError, match=r"rig\.toml: camera 'eye' \(.*\): distortion .* is not [0-9 or]+ finite numbers\.$") as refused:
        Rig.load(path)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "values", "said"), [("omni", "-2.0", "xi is -2, but .*"), ("double_sphere", "-0.2, 3.0", r"alpha is 3; .*")]
)
def test_spheres_that_cannot_be_are_refused_in_one_sentence(tmp_path, name, values, said):
    model = MODELS[name]((1600, 1200), (500.0, 510.0), (801.7, 599.9), EVERY_MODEL[name])
    path = tmp_path / "rig.toml"
    Rig("one", ("room",), {"eye": MountedCamera("eye", model, "room", np.eye(4))}).save(path)
    old = ",".join(rf"\s*{re.escape(str(number))}" for number in model.distortion[: values.count(",") + 1])
    text, count = re.subn(rf"(distortion = \[){old}", rf"\g<1>{values}", path.read_text())
    assert count == 1
    path.write_text(text)
    with pytest.raises(UsageError, match=rf"camera 'eye' \({name}\): {said}\.$"):
        Rig.load(path)


def test_a_model_of_ones_own_cannot_be_saved(rig, tmp_path):
    class Own(PinholeCamera):
        pass

    own = Own((10, 10), (9.0, 9.0), (4.5, 4.5))
    with pytest.raises(UsageError, match=r"camera 'wall' has a Own, which rig\.toml cannot hold; it holds pinhole, fisheye, omni"):
        Rig("own", ("room",), {"wall": MountedCamera("wall", own, "room", np.eye(4))}).save(tmp_path / "rig.toml")


def test_wrong_number_of_distortion_terms_is_refused(rig, tmp_path):
    with pytest.raises(UsageError, match=r"camera 'wall' \(fisheye\): distortion .* is not 4 finite numbers"):
        Rig.load(edited(rig, tmp_path, 'model = "pinhole"', 'model = "fisheye"'))


def test_a_camera_on_a_body_that_is_not_there_is_refused(rig, tmp_path):
    with pytest.raises(UnknownNameError, match="body 'helmt'") as caught:
        Rig(rig.name, ("room",), {"front": MountedCamera("front", rig.camera("front").model, "helmt", np.eye(4))})
    assert "room" in str(caught.value)
    with pytest.raises(UsageError, match=r"rig\.toml: body 'helmt'.*Did you mean 'helmet'"):
        Rig.load(edited(rig, tmp_path, 'body = "helmet"', 'body = "helmt"'))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UsageError, match=re.escape(str(tmp_path / "none.toml"))):
        Rig.load(tmp_path / "none.toml")


def test_text_that_is_not_toml_is_refused(tmp_path):
    (tmp_path / "rig.toml").write_text("name = [")
    with pytest.raises(UsageError, match="not valid TOML"):
        Rig.load(tmp_path / "rig.toml")


def test_a_rig_without_cameras_is_refused():
    with pytest.raises(UsageError, match="has no cameras"):
        Rig("empty", ("room",), {})


def test_a_pose_that_is_not_four_by_four_is_refused():
    with pytest.raises(UsageError, match="is not a pose"):
        MountedCamera("a", PinholeCamera((10, 10), (9.0, 9.0), (4.5, 4.5)), "room", np.eye(3))


@pytest.mark.parametrize(("scale", "fits"), [(1.0, True), (1000.0, False)])
def test_a_rig_in_millimetres_is_refused_with_the_remedy(rig, scale, fits):
    wall = rig.camera("wall")
    pose = wall.T_body_camera.copy()
    pose[:3, 3] *= scale
    pair = {"wall": wall, "other": MountedCamera("other", wall.model, "room", pose)}
    if fits:
        assert Rig("pair", ("room",), pair).names == ("wall", "other")
        return
    with pytest.raises(
        UsageError, match=r"cameras 'wall' and 'other' on 'room' are \d+ m apart.*divide it by 1000 if it is in millimetres"
    ):
        Rig("pair", ("room",), pair)


@pytest.mark.parametrize("text", ["-1.0", "nan", "inf"])
def test_a_sigma_that_cannot_be_one_is_refused(rig, tmp_path, text):
    with pytest.raises(UsageError, match=r"cameras\.front\.sigma\.focal_px"):
        Rig.load(edited(rig, tmp_path, "focal_px = 0.5", f"focal_px = {text}"))
