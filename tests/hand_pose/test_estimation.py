"""Landmarks to HumanMotion: the simulated person comes back, and what was not seen never looks as if it had been."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bodydouble.calibration import assumed_rig
from bodydouble.errors import DataError, UnknownNameError, UsageError
from bodydouble.hand_pose.estimation import EstimatorSettings, estimate, master_times
from bodydouble.hand_pose.human import BONES, LINKS
from bodydouble.hand_pose.human_motion import Source
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES, LEFT_HAND, POSE, RIGHT_HAND


def errors_mm(motion, person) -> np.ndarray:
    return 1e3 * np.linalg.norm(motion.landmarks - person.points, axis=-1)


def hidden_where(landmarks, frames=slice(None), rows=slice(None)) -> np.ndarray:
    hidden = np.zeros(landmarks.confidence.shape, dtype=bool)
    hidden[:, frames, rows] = True
    return hidden


def test_a_simulated_person_is_recovered(simulated, estimated):
    error = errors_mm(estimated, simulated)
    assert np.median(error) < 3
    assert np.percentile(error, 95) < 7
    assert error.max() < 20
    assert estimated.stature == pytest.approx(1.80, abs=0.05)
    for name, length in zip(BONES, simulated.human.lengths, strict=True):
        assert estimated.bone_lengths[name] == pytest.approx(length, rel=0.04), name


def test_everything_that_was_seen_is_observed_and_nothing_was_assumed(estimated):
    for part, shares in estimated.source_fractions().items():
        assert shares["observed"] > 0.97, part
    joints = [estimated.joint_names.index(f"{side}_{name}") for side in ("left", "right")
              for name in ("elbow_flexion", "wrist_flexion", "knee_flexion", "ankle_dorsiflexion", "index_mcp", "shoulder_x", "hip_x")]  # fmt: skip
    assert (estimated.joint_source[:, joints] == Source.OBSERVED).mean() > 0.97
    assert estimated.assumed == {}
    assert estimated.frame == "room"
    assert not any(flag.any() for flag in estimated.flags.values())
    assert set(estimated.flags) == {"no_person", "person_changed", "high_residual"}
    assert estimated.relabelled.tolist() == np.zeros((4, 30)).tolist()


def test_the_stated_sigma_is_about_the_true_error_and_never_far_below_it(simulated, estimated):
    error, sigma = errors_mm(estimated, simulated) / 1e3, estimated.landmark_sigma
    assert np.median(sigma) < 0.03
    assert np.mean(error < 3 * sigma) > 0.98


def test_times_are_true_and_links_agree_with_landmarks(simulated, estimated):
    np.testing.assert_allclose(estimated.times_s, simulated.times_s, atol=1e-12)
    assert estimated.link_names == LINKS
    np.testing.assert_allclose(estimated.link("left_forearm")[:, :3, 3], estimated.landmark("left_elbow"), atol=1e-9)
    np.testing.assert_allclose(estimated.link("pelvis")[:, :3, 3], estimated.base_pose[:, :3], atol=1e-9)
    assert estimated.triangulated.shape == (30, 75, 3)


def test_bones_are_constant_and_equal_left_and_right(estimated):
    for one, two in (("elbow", "wrist"), ("hip", "knee"), ("hand_index_mcp", "hand_index_pip")):
        lengths = [
            np.linalg.norm(estimated.landmark(f"{side}_{one}") - estimated.landmark(f"{side}_{two}"), axis=-1) for side in ("left", "right")
        ]
        np.testing.assert_allclose(lengths, lengths[0][0], rtol=1e-9)


@pytest.fixture(scope="module")
def with_gaps(make_simulated, hide):
    """3.4 s at ten frames a second: the right hand never seen, the left one not in frame 5, nobody from 0.6 to 2.8 s."""
    person = make_simulated(frames=35, rate_hz=10.0, azimuths_deg=(35.0, -40.0, 160.0), speed=0.5, seed=1)
    hidden = hidden_where(person.landmarks, slice(6, 29))
    hidden[:, :, RIGHT_HAND] = True
    hidden[:, 3, LEFT_HAND] = True
    return person, estimate(hide(person.landmarks, hidden), person.rig)


def test_a_hand_that_nobody_saw_is_inferred_and_never_observed(with_gaps):
    _, motion = with_gaps
    present = motion.landmark_source[:, 60] != Source.MISSING
    assert (motion.landmark_source[present, RIGHT_HAND][:, 4:] == Source.INFERRED).all()
    finger = [index for index, name in enumerate(motion.joint_names) if name.startswith("right_") and name.endswith(("_pip", "_dip"))]
    assert len(finger) == 8
    assert not (motion.joint_source[:, finger] == Source.OBSERVED).any()
    assert motion.landmark_sigma[0, 60] > 3 * motion.landmark_sigma[0, 39]


def test_a_short_gap_of_one_hand_is_interpolated(with_gaps):
    person, motion = with_gaps
    assert (motion.landmark_source[3, LEFT_HAND] == Source.INTERPOLATED).mean() > 0.9
    assert (motion.landmark_source[[2, 4], LEFT_HAND] == Source.OBSERVED).mean() > 0.9
    assert np.median(errors_mm(motion, person)[3, LEFT_HAND]) < 40


def test_a_person_who_is_gone_for_long_is_missing_and_not_invented(with_gaps):
    _, motion = with_gaps
    gone = np.array([t for t in range(35) if min(abs(motion.times_s[t] - motion.times_s[s]) for s in (*range(6), *range(29, 35))) > 1.0])
    assert len(gone) >= 2
    assert (motion.landmark_source[gone] == Source.MISSING).all()
    assert (motion.joint_source[gone] == Source.MISSING).all()
    for name in ("landmarks", "link_poses", "joint_angles", "base_pose", "landmark_sigma", "fit_error_px"):
        assert np.isnan(getattr(motion, name)[gone]).all(), name
    assert motion.flags["no_person"][6:29].all()
    assert not motion.flags["no_person"][[*range(6), *range(29, 35)]].any()


def test_what_is_not_missing_is_a_number_and_what_is_missing_is_none(with_gaps):
    _, motion = with_gaps
    assert np.array_equal(np.isnan(motion.landmarks).any(axis=-1), motion.landmark_source == Source.MISSING)
    assert np.array_equal(np.isnan(motion.joint_angles), motion.joint_source == Source.MISSING)
    near = motion.landmark_source[:, 0] == Source.INFERRED
    assert near[6:10].all()
    assert (motion.relabelled[:, 6:29] == 255).all()
    assert np.isnan(motion.fit_error_px[6:29]).all()


def test_after_the_gap_the_person_is_found_again(with_gaps):
    person, motion = with_gaps
    assert np.median(errors_mm(motion, person)[30:, POSE]) < 8


def test_exchanged_labels_and_a_camera_that_drops_frames_change_little(make_simulated, hide):
    person = make_simulated(frames=12, seed=4)
    swap = np.zeros((4, 12), dtype=bool)
    swap[2, 3:9] = True
    hidden = hidden_where(person.landmarks, slice(0, 0))
    hidden[1, ::3] = True
    times = np.array(person.landmarks.times_s)
    times[1, ::3] = np.nan
    motion = estimate(replace(hide(person.landmarks.exchanged(swap), hidden), times_s=times), person.rig)
    assert np.median(errors_mm(motion, person)) < 5
    assert np.array_equal(motion.relabelled[2] == 1, swap[2])
    assert (motion.relabelled[1, ::3] == 255).all()
    assert np.isfinite(motion.times_s).all()


@pytest.fixture(scope="module")
def from_one_camera(make_simulated):
    person = make_simulated(frames=8, azimuths_deg=(15.0,), stature=1.73)
    size = person.rig.cameras["cam0"].model.image_size
    rig = assumed_rig("cam0", size, focal_px=1300.0)
    return person, rig, estimate(person.landmarks, rig)


def test_one_camera_says_what_it_assumed(from_one_camera):
    _, rig, motion = from_one_camera
    assert motion.frame == "camera"
    assert motion.triangulated is None
    assert motion.assumed["stature"] == {"value": 1.73, "sigma": pytest.approx(0.1)}
    assert set(rig.assumed) < set(motion.assumed)
    assert motion.stature == 1.73


def test_one_camera_gets_the_pose_right_though_not_the_place(from_one_camera):
    person, _, motion = from_one_camera
    # Compare shapes: distances between joints, which do not depend on where the camera stands.
    rows = [LANDMARK_NAMES.index(f"{side}_{name}") for side in ("left", "right") for name in ("wrist", "shoulder", "hip", "ankle", "knee")]
    true, found = (np.linalg.norm(points[:, rows, None] - points[:, None, rows], axis=-1) for points in (person.points, motion.landmarks))
    assert np.median(np.abs(true - found)) < 0.04
    assert np.abs(true - found).max() < 0.2
    assert np.nanmedian(motion.fit_error_px) < 8


def test_a_stature_that_was_given_is_used_and_not_called_assumed(make_simulated):
    person = make_simulated(frames=2, azimuths_deg=(15.0,))
    motion = estimate(person.landmarks, assumed_rig("cam0", (1280, 1280)), EstimatorSettings(stature=1.60))
    assert motion.stature == 1.60
    assert "stature" not in motion.assumed
    taller = estimate(person.landmarks, assumed_rig("cam0", (1280, 1280)), EstimatorSettings(stature=1.80))
    ratios = [motion.bone_lengths[bone] / taller.bone_lengths[bone] for bone in ("thigh", "shank", "trunk", "upper_arm", "forearm")]
    assert np.mean(ratios) == pytest.approx(1.60 / 1.80, rel=0.02)
    assert motion.bone_lengths["thigh"] == pytest.approx(0.42 * 1.60 / 1.73, rel=0.12)


def test_one_frame_is_enough(make_simulated):
    person = make_simulated(frames=1)
    motion = estimate(person.landmarks, person.rig)
    assert motion.frames == 1
    assert np.median(errors_mm(motion, person)) < 12


def test_cameras_may_be_fewer_than_the_rigs(simulated):
    two = simulated.landmarks.select(("cam0", "cam1"))
    short = replace(two, times_s=two.times_s[:, :3], pixels=two.pixels[:, :3], confidence=two.confidence[:, :3], shape_m=two.shape_m[:, :3])
    motion = estimate(short, simulated.rig)
    assert motion.cameras == ("cam0", "cam1")
    assert np.median(errors_mm(motion, replace(simulated, points=simulated.points[:3]))) < 12


@pytest.mark.filterwarnings("error")
def test_gaps_leave_no_warnings_between_the_progress_bars(make_simulated, hide):
    person = make_simulated(frames=4)
    hidden = hidden_where(person.landmarks, 2)
    hidden[1, 0], hidden[0, :, LEFT_HAND] = True, True
    estimate(hide(person.landmarks, hidden), person.rig)


def test_nobody_is_one_clear_sentence(simulated, hide):
    with pytest.raises(DataError, match=r"No frame shows a person's shoulders and hips to enough cameras.*--start and --stop"):
        estimate(hide(simulated.landmarks, np.ones((4, 30, 75), dtype=bool)), simulated.rig)


def test_somebody_whom_only_one_of_two_cameras_sees_is_nobody(simulated, hide):
    hidden = np.ones((4, 30, 75), dtype=bool)
    hidden[2] = False
    with pytest.raises(DataError, match="to enough cameras"):
        estimate(hide(simulated.landmarks, hidden), simulated.rig)


def test_a_camera_on_a_moving_body_is_refused_with_the_way_out(simulated):
    cameras = dict(simulated.rig.cameras)
    cameras["cam2"] = replace(cameras["cam2"], body="helmet")
    with pytest.raises(UsageError, match=r"'cam2' on 'helmet' moves.*tag map.*mounted on 'room' with --cameras"):
        estimate(simulated.landmarks, replace(simulated.rig, bodies=("room", "helmet"), cameras=cameras))


def test_a_camera_that_the_rig_lacks_is_named(simulated):
    with pytest.raises(UnknownNameError, match="camera 'cam3' is not in rig"):
        estimate(simulated.landmarks, simulated.rig.select(("cam0", "cam1", "cam2")))


def test_the_time_of_a_moment_is_the_mean_of_its_cameras(simulated):
    times = np.array([[0.0, 0.1, np.nan], [0.002, np.nan, 0.3]])
    landmarks = replace(simulated.landmarks.select(("cam0", "cam1")), times_s=times, pixels=np.full((2, 3, 75, 2), np.nan),
                        confidence=np.full((2, 3, 75), np.nan), shape_m=np.full((2, 3, 75, 3), np.nan))  # fmt: skip
    np.testing.assert_allclose(master_times(landmarks), [0.001, 0.1, 0.3])


def test_progress_grows_to_one(make_simulated):
    person = make_simulated(frames=2)
    reports: list[float] = []
    estimate(person.landmarks, person.rig, progress=lambda done, total: reports.append(done / total))
    assert reports == sorted(reports)
    assert reports[-1] == 1.0


def test_the_same_input_gives_the_same_motion_to_the_bit(make_simulated):
    person = make_simulated(frames=2)
    one, two = (estimate(person.landmarks, person.rig) for _ in range(2))
    assert np.array_equal(one.joint_angles, two.joint_angles)


def test_what_was_assumed_of_one_camera_is_part_of_the_sigma(make_simulated):
    person = make_simulated(frames=2, azimuths_deg=(15.0,))
    calibrated = estimate(person.landmarks, person.rig, EstimatorSettings(stature=1.73))
    guessed = estimate(person.landmarks, assumed_rig("cam0", (1280, 1280)))
    distance = np.linalg.norm(guessed.landmarks, axis=-1)
    focal = guessed.assumed["cam0.focal_px"]
    assert (guessed.landmark_sigma > distance * focal["sigma"] / focal["value"]).all()
    assert np.median(calibrated.landmark_sigma) < 0.5 * np.median(guessed.landmark_sigma)
