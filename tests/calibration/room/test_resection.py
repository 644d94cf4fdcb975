"""Cameras placed by measured points alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bodydouble.calibration import MountedCamera, PinholeCamera, Rig, read_qualisys
from bodydouble.calibration.room.resection import resect, subsets
from bodydouble.calibration.room.room_frame import align_to_points
from bodydouble.calibration.room.scene_points import ScenePoints
from bodydouble.calibration.room.scene_triangulation import triangulate_clicks
from bodydouble.calibration.transform import apply, invert, pose_distance
from bodydouble.errors import DataError, UnknownNameError, UsageError

MODELS = ("pinhole", "fisheye", "omni", "double_sphere")


def lost(rig: Rig) -> Rig:
    """The same cameras, all at one place."""
    return replace(rig, cameras={name: replace(camera, T_body_camera=np.eye(4)) for name, camera in rig.cameras.items()})


def errors(found: Rig, true: Rig) -> tuple[np.ndarray, np.ndarray]:
    """Angles (rad) and distances (m) between the cameras of two rigs."""
    pairs = [pose_distance(true.camera(name).T_body_camera, camera.T_body_camera) for name, camera in found.cameras.items()]
    return np.array([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs])


def changed(scene: ScenePoints, camera: int, point: int, by: tuple[float, float]) -> ScenePoints:
    pixels = scene.pixels.copy()
    pixels[camera, point] += by
    return replace(scene, pixels=pixels)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000), st.booleans(), st.integers(5, 12), st.sampled_from([0.0, 0.005]))
def test_cameras_with_any_lens_are_found_where_they_are(simulated_room, seed, flat, points, sigma_m):
    rig, scene = simulated_room(seed=seed, points=points, flat=flat, sigma_m=sigma_m)
    found = resect(lost(rig), scene)
    angle, distance = errors(found.rig, rig)
    assert angle.max() < 1e-6
    assert distance.max() < 1e-6
    assert max(found.rms_px.values()) < 1e-5
    assert not found.outliers
    assert not found.warnings


def test_lenses_alone_are_enough(simulated_room):
    rig, scene = simulated_room()
    found = resect({name: camera.model for name, camera in rig.cameras.items()}, scene)
    assert found.rig.bodies == ("room",)
    assert errors(found.rig, rig)[1].max() < 1e-6


@pytest.mark.parametrize(("noise_px", "noise_m"), [(0.5, 0.0), (0.5, 0.004)])
def test_errors_are_as_large_as_the_reported_sigma(simulated_room, noise_px, noise_m):
    ratios = []
    for seed in range(8):
        rig, scene = simulated_room(seed=seed, noise_px=noise_px, noise_m=noise_m, sigma_m=noise_m)
        found = resect(lost(rig), scene)
        angle, distance = errors(found.rig, rig)
        sigma = [camera.sigma for camera in found.rig.cameras.values()]
        ratios.append([angle / [s.rotation_rad for s in sigma], distance / [s.position_m for s in sigma]])
    squared = np.square(ratios).mean(axis=(0, 2)) / 3  # sigma is that of one axis
    assert ((squared > 0.5) & (squared < 1.7)).all(), squared


def test_noise_larger_than_declared_is_noticed(simulated_room):
    rig, scene = simulated_room(seed=3, noise_px=2.0, points=12)
    found = resect(lost(rig), replace(scene, sigma_px=0.5))
    assert found.sigma_px == pytest.approx(2.0, rel=0.3)
    assert not found.outliers


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 1000), st.integers(0, 3), st.integers(0, 7), st.sampled_from([(25.0, 0.0), (-100.0, 60.0), (8.0, -8.0)]))
def test_a_wrong_click_is_named_and_does_no_harm(simulated_room, seed, camera, point, by):
    rig, scene = simulated_room(seed=seed, noise_px=0.3, sigma_m=0.001)
    found = resect(lost(rig), changed(scene, camera, point, by))
    assert len(found.outliers) == 1
    assert found.outliers[0].startswith(f"point 'mark {point}' in camera 'cam{camera}' is ")
    assert "it was left out, click it again" in found.outliers[0]
    sigma = np.array([found_camera.sigma.position_m for found_camera in found.rig.cameras.values()])
    assert (errors(found.rig, rig)[1] < 6 * sigma).all()


def test_a_point_clicked_under_anothers_name_is_told(simulated_room):
    rig, scene = simulated_room(seed=1, noise_px=0.3, sigma_m=0.001)
    pixels = scene.pixels.copy()
    pixels[2, 4] = pixels[2, 5] + 0.5
    found = resect(lost(rig), replace(scene, pixels=pixels))
    assert "; 'mark 5' is there" in found.outliers[0]


def test_a_wrong_measurement_is_named_and_does_no_harm(simulated_room):
    rig, scene = simulated_room(seed=5, noise_px=0.3, sigma_m=0.002)
    points = scene.points.copy()
    points[6] += [0.1, 0.0, 0.0]
    found = resect(lost(rig), replace(scene, points=points))
    assert len(found.outliers) == 1
    assert found.outliers[0].startswith("point 'mark 6' was measured 99 mm from where")
    assert np.linalg.norm(found.points[6] - scene.points[6]) < 0.005
    assert errors(found.rig, rig)[1].max() < 0.02


def test_only_cameras_of_the_room_are_moved(simulated_room):
    rig, scene = simulated_room()
    worn = MountedCamera("worn", PinholeCamera((640, 480), (500, 500), (320, 240)), "helmet", np.eye(4))
    whole = Rig("both", ("room", "helmet"), {**lost(rig).cameras, "worn": worn})
    found = resect(whole, scene)
    assert found.rig.camera("worn") is worn
    assert errors(found.rig.select(rig.names), rig)[1].max() < 1e-6
    clicked = replace(scene, cameras=("cam0", "cam1", "cam2", "worn"), image_size=())
    with pytest.raises(UsageError, match="camera 'worn' is on body 'helmet', which moves"):
        resect(whole, clicked)


def test_what_the_scene_lacks_is_said(simulated_room):
    rig, scene = simulated_room()
    with pytest.raises(UsageError, match="no point was clicked in camera 'cam3'"):
        resect(rig, scene.select(("cam0", "cam1", "cam2")))
    with pytest.raises(UnknownNameError, match=r"camera 'cam3' is not in rig 'simulated'"):
        resect(rig.select(["cam0", "cam1", "cam2"]), scene)
    with pytest.raises(UnknownNameError, match=r"camera 'cam0' is not in the camera models; valid: other"):
        resect({"other": rig.camera("cam0").model}, scene)
    with pytest.raises(UsageError, match="no point was clicked in any camera"):
        resect(rig, scene.select(()))
    few = scene.pixels.copy()
    few[1, 3:] = np.nan
    with pytest.raises(UsageError, match="camera 'cam1' shows 3 measured points; expected at least 4"):
        resect(rig, replace(scene, pixels=few))


def test_images_of_another_size_are_refused(simulated_room):
    rig, scene = simulated_room()
    with pytest.raises(UsageError, match=r"'cam0' was clicked in an image of 5000x5000 px but calibrated at 1280x960 px"):
        resect(rig, replace(scene, image_size=((5000, 5000),) * 4))
    with pytest.raises(UsageError, match=r"'mark 0' is clicked at .* in camera 'cam0', outside its image of 1280x960 px"):
        resect(rig, changed(replace(scene, image_size=()), 0, 0, (3000.0, 0.0)))


def test_clicks_on_one_line_leave_the_pose_open(simulated_room):
    rig, scene = simulated_room(models=("pinhole",), points=8)
    points = scene.points.copy()
    points[:4] = np.linspace([-1, 0, 0], [1, 0.2, 0], 4)
    camera = rig.camera("cam0")
    pixels = camera.model.project(apply(camera.T_camera_body, points))[None]
    pixels[:, 4:] = np.nan
    with pytest.raises(UsageError, match="points clicked in camera 'cam0' are all on one line"):
        resect(rig, replace(scene, points=points, pixels=pixels))


def test_a_small_flat_scene_seen_from_afar_has_two_poses():
    model = PinholeCamera((640, 480), (800.0, 800.0), (319.5, 239.5))
    points = np.array([[x, y, 0.0] for x in (-0.1, 0.1) for y in (-0.1, 0.1)])
    T_room_camera = np.eye(4)
    T_room_camera[:3, :3] = np.stack([[0, 1, 0], [np.sin(0.2), 0, -np.cos(0.2)], [-np.cos(0.2), 0, -np.sin(0.2)]], axis=1)
    T_room_camera[:3, 3] = -8 * T_room_camera[:3, 2]
    pixels = model.project(apply(invert(T_room_camera), points))[None]
    scene = ScenePoints(tuple("abcd"), points, ("far",), pixels, 0.0, 1.0)
    with pytest.raises(DataError, match=r"two poses of camera 'far', 15.* apart, explain its clicks equally well"):
        resect({"far": model}, scene)


def test_mirrored_axes_are_noticed(simulated_room):
    rig, scene = simulated_room(flat=True)
    with pytest.raises(UsageError, match="z points down or one axis is mirrored"):
        resect(rig, replace(scene, points=scene.points * [1, -1, 1]))
    rig, scene = simulated_room()
    with pytest.raises(DataError, match=r"no pose of camera 'cam0' explains its clicks.*wrong sign"):
        resect(rig, replace(scene, points=scene.points * [1, -1, 1]))


def test_y_up_is_warned_of(simulated_room):
    rig, scene = simulated_room()
    found = resect(rig, replace(scene, points=scene.points[:, [1, 2, 0]]))
    assert len(found.warnings) == 1
    assert "the cameras stand upright along y, not along z" in found.warnings[0]


def test_subsets_are_all_or_as_many_as_asked_for():
    assert subsets([4, 5, 6], 2, 10) == [[4, 5], [4, 6], [5, 6]]
    assert subsets([4], 2, 10) == []
    assert len(subsets(list(range(30)), 4, 50)) == 50


MEASURED = {
    "back left": (-2.0, 0.3, 0.0), "back middle": (-2.0, 0.0, 0.0), "back middle top": (-2.0, 0.0, 0.05), "back right": (-2.0, -0.3, 0.0),
    "front left": (0.0, 0.3, 0.0), "front middle": (0.0, 0.0, 0.0), "front middle top": (0.0, 0.0, 0.05), "front right": (0.0, -0.3, 0.0),
}  # fmt: skip
"""``object_coords_3d`` of the sample's Config.toml: a board of 2.0 x 0.6 m on the treadmill, and the beam along its middle."""

CLICKED = {
    "cam01": {
        "front right": (579.0, 1524.0), "front left": (832.5, 1441.0), "front middle": (716.3, 1479.0), "front middle top": (721.7, 1458.0),
        "back right": (118.5, 980.5), "back middle top": (230.0, 951.0),
    },
    "cam02": {
        "front right": (318.5, 1346.0), "front middle": (470.3, 1357.0), "front middle top": (469.0, 1334.0), "back left": (719.5, 997.5),
        "back middle top": (619.3, 979.5),
    },
    "cam03": {
        "front left": (132.5, 1137.5), "front middle top": (225.0, 1069.6), "back left": (829.3, 1489.5), "back middle top": (921.8, 1383.0),
        "back middle": (917.5, 1404.5),
    },
    "cam04": {
        "front right": (842.0, 949.0), "front middle top": (725.0, 964.5), "back right": (712.0, 1587.0), "back middle top": (528.0, 1582.5),
        "back middle": (537.0, 1602.5), "back left": (386.0, 1615.5),
    },
}  # fmt: skip
"""Clicked by eye in enlarged parts of calibration/extrinsics/camNN_ext.png: corners of the board's upper side, middles of the beam's end edges."""

DOTS = {
    "cam01": [(109.7, 1061.0), (319.6, 1337.8), (523.1, 1064.1), (772.9, 1292.5)],
    "cam02": [(432.8, 1038.9), (328.0, 1209.2), (794.0, 1085.0), (763.4, 1271.6)],
    "cam03": [(873.7, 1234.0), (520.5, 1082.9), (485.2, 1431.7), (164.4, 1240.3)],
    "cam04": [(836.4, 1410.6), (889.5, 1069.5), (384.0, 1395.5), (514.8, 1115.4)],
}
"""Four white squares on the treadmill, clicked by somebody else and not used here but to check."""


def treadmill(sigma_m: float = 0.005) -> ScenePoints:
    names = tuple(MEASURED)
    pixels = np.full((4, 8, 2), np.nan)
    for row, clicks in enumerate(CLICKED.values()):
        for name, pixel in clicks.items():
            pixels[row, names.index(name)] = pixel
    return ScenePoints(names, np.array(list(MEASURED.values())), tuple(CLICKED), pixels, sigma_m, 1.0, ((1088, 1920),) * 4)


def error_of_dots(rig: Rig) -> float:
    """RMS distance in px between the dots and where their triangulated points come back."""
    cameras = [rig.camera(name) for name in DOTS]
    poses, pixels = np.stack([camera.T_body_camera for camera in cameras]), np.array(list(DOTS.values()))
    points = triangulate_clicks(tuple(camera.model for camera in cameras), poses, pixels, 100.0)
    error = np.stack([camera.model.project(apply(camera.T_camera_body, points)) for camera in cameras]) - pixels
    return float(np.sqrt(np.square(error).sum(axis=-1).mean()))


def test_the_samples_cameras_are_found_from_its_scene_images(shared_data):
    given = read_qualisys(shared_data / "multicam_body" / "pose2sim_single" / "calibration" / "Calib.qca.txt")
    found = resect(lost(given), treadmill())
    assert not found.outliers
    assert not found.warnings
    assert found.sigma_m < 0.007, "the measured points are as good as a tape measure"
    assert max(found.rms_px.values()) < 0.6
    names = list(CLICKED)
    for a in range(4):
        for b in range(a):
            T, T_given = (invert(rig.camera(names[a]).T_body_camera) @ rig.camera(names[b]).T_body_camera for rig in (found.rig, given))
            angle, _ = pose_distance(T, T_given)
            assert np.linalg.norm(T[:3, 3]) == pytest.approx(np.linalg.norm(T_given[:3, 3]), rel=0.025)
            assert np.degrees(angle) < 1.8
    # Marks that neither calibration was made from: Qualisys' leaves 11 px between the cameras, eight points and a tape measure 3 px.
    assert error_of_dots(given) > 10
    assert error_of_dots(found.rig) < 4
    exact = resect(lost(given), treadmill(sigma_m=0.0))
    assert max(exact.rms_px.values()) < 2.5


def test_the_samples_calibration_is_put_into_the_treadmills_frame(shared_data):
    given = read_qualisys(shared_data / "multicam_body" / "pose2sim_single" / "calibration" / "Calib.qca.txt")
    found = align_to_points(given, treadmill())
    angle, distance = pose_distance(np.eye(4), found.change.T_new_old)
    assert np.degrees(angle) < 3, "its room has the same origin and axes, but for a few centimetres"
    assert distance < 0.08
    assert found.scale_found == pytest.approx(1.0, abs=0.015)
    assert not found.warnings
    assert not found.outliers
    assert np.sqrt(np.nanmean(np.square(found.residual_px).sum(axis=-1))) > 8, "it does not fit its own images, wherever its room is"
    assert np.linalg.norm(found.error_m, axis=-1).max() < 0.05
