"""An evaluation against a truth made by hand: each figure reacts to what it is of, and only to that."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from bodydouble.errors import DataError, UnknownNameError
from bodydouble.hand_pose import Source, evaluation, leave_one_out
from bodydouble.hand_pose.baseline import triangulated_baseline, with_true_sides
from bodydouble.hand_pose.camera_poses import CameraPoses
from bodydouble.hand_pose.evaluation import MEASURES, PHALANGES, evaluate
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES, LEFT_HAND, MAIN_JOINTS, POSE, RIGHT_HAND, Landmarks
from bodydouble.hand_pose.leave_one_out import withheld_error_px
from bodydouble.hand_pose.simulation.moment import Visibility
from bodydouble.hand_pose.simulation.truth import Truth

FRAMES, CAMERAS = 30, 4
ISSUE_KEYS = {
    "mkpe_mm", "mkpe_baseline_mm", "lost_track_ratio", "side_errors", "wrist_mm", "elbow_mm", "body_mpjpe_observed_mm", "body_mpjpe_inferred_mm",
    "accel_error", "accel_error_baseline", "covariance_95_coverage", "leave_one_out_px", "bone_length_variation_pct", "frames",
}  # fmt: skip


@pytest.fixture(scope="module")
def sharp(make_simulated):
    """A person before four cameras whose detections have no error."""
    return make_simulated(noise_px=0.0)


@pytest.fixture(scope="module")
def poses(sharp):
    return CameraPoses.static(sharp.rig, sharp.landmarks.cameras, FRAMES)


@pytest.fixture(scope="module")
def truth(sharp):
    """What is true of ``sharp``; frame k of every camera is moment k, and everything is visible everywhere."""
    empty = np.zeros((FRAMES, 0, 4, 4))
    views = (CAMERAS, FRAMES)
    return Truth(
        recording=dict.fromkeys(sharp.landmarks.cameras, "key"), settings={}, times_s=sharp.times_s, landmarks=sharp.points,
        joint_names=(), joints=np.zeros((FRAMES, 0, 3)), body_names=(), T_world_body=empty, object_names=(), T_world_object=empty,
        contacts=np.full((FRAMES, 2, 5), -1), cameras=sharp.landmarks.cameras, camera_times_s=np.tile(sharp.times_s, (CAMERAS, 1)),
        T_world_camera=np.stack([np.tile(c.T_body_camera, (FRAMES, 1, 1)) for c in sharp.rig.cameras.values()]),
        camera_landmarks=np.tile(sharp.points, (CAMERAS, 1, 1, 1)), pixels=sharp.landmarks.pixels,
        visibility=np.full((*views, 75), Visibility.VISIBLE),
    )  # fmt: skip


@pytest.fixture(scope="module")
def exact(sharp, estimated):
    """A motion that is the truth, observed everywhere to a millimetre."""
    return replace(
        estimated, times_s=sharp.times_s, landmarks=sharp.points, landmark_sigma=np.full((FRAMES, 75), 0.001), landmark_covariance=None,
        landmark_source=np.full((FRAMES, 75), Source.OBSERVED), relabelled=np.zeros((CAMERAS, FRAMES)), frame="room",
    )  # fmt: skip


@pytest.fixture
def judge(sharp, poses, truth, exact):
    """Give ``judge(motion=, landmarks=, truth=, refit=)``; a refit gives the motion that is judged unless said otherwise."""
    numbers = np.tile(np.arange(FRAMES), (CAMERAS, 1))

    def run(motion=exact, landmarks=sharp.landmarks, truth=truth, refit=None, frame_index=numbers):
        def same(rest, rig, camera_poses):
            return replace(motion, cameras=rest.cameras, relabelled=np.zeros((len(rest.cameras), rest.frames)))

        index = None if truth is None else frame_index
        return evaluate(motion, landmarks, sharp.rig, poses, refit or same, truth=truth, frame_index=index)

    return run


def moved(motion, rows, away):
    points = np.array(motion.landmarks)
    points[:, rows] += away
    return replace(motion, landmarks=points)


def test_the_truth_has_no_error_and_neither_has_the_baseline_without_noise(judge):
    found = judge()
    zero = {key for key in MEASURES if key.endswith("_mm") or key == "accel_error"} - {"body_mpjpe_inferred_mm", "legs_inferred_mm"}
    assert {key: found.estimator[key] for key in zero} == pytest.approx(dict.fromkeys(zero, 0), abs=1e-4)
    assert {key: found.baseline[key] for key in zero & set(found.baseline)} == pytest.approx(
        {key: 0 for key in zero & set(found.baseline)}, abs=1e-3
    )
    assert (found.estimator["lost_track_ratio"], found.estimator["side_errors"], found.estimator["covariance_95_coverage"]) == (0, 0, 1)
    assert math.isnan(found.estimator["body_mpjpe_inferred_mm"])
    assert math.isnan(found.estimator["legs_inferred_mm"])
    assert found.hand_frames == 2 * FRAMES
    for errors in found.left_out.body.values():
        assert all(value["p90"] < 0.01 for value in errors.values())


def test_the_object_holds_the_keys_that_are_promised_and_is_json(judge):
    for found in (judge(), judge(truth=None)):
        values = json.loads(json.dumps(found.as_dict(), allow_nan=False))
        assert set(values) >= ISSUE_KEYS
        assert set(values["leave_one_out_px"]["cam0"]) == {"median", "p90"}
    assert values["mkpe_mm"] is None
    assert values["mkpe_baseline_mm"] is None
    assert values["side_errors"] is None
    assert values["simulated"] is False
    assert isinstance(judge().as_dict()["side_errors"], int)


def test_what_needs_no_truth_is_the_same_without_it(judge):
    with_truth, without = judge().as_dict(), judge(truth=None).as_dict()
    for key in ("bone_length_variation_pct", "hand_jitter", "leave_one_out_px", "frames"):
        assert without[key] == with_truth[key]


def test_each_error_is_of_its_own_part(judge, exact):
    found = judge(moved(exact, RIGHT_HAND, [0.02, 0, 0])).estimator
    assert found["mkpe_mm"] == pytest.approx(10, abs=1e-3)
    assert (found["body_mpjpe_mm"], found["wrist_mm"]) == pytest.approx((0, 0), abs=1e-4)
    found = judge(moved(exact, LANDMARK_NAMES.index("left_elbow"), [0, 0.03, 0])).estimator
    assert (found["elbow_mm"], found["body_mpjpe_mm"]) == pytest.approx((15, 30 / 12), abs=1e-3)
    assert found["mkpe_mm"] == pytest.approx(0, abs=1e-4)


def test_a_lost_hand_counts_in_the_ratio_and_not_in_the_mean(judge, exact):
    found = judge(moved(exact, LEFT_HAND, [0, 0, 0.2])).estimator
    assert found["lost_track_ratio"] == 0.5
    assert found["mkpe_mm"] == pytest.approx(0, abs=1e-4)
    missing = np.array(exact.landmarks)
    missing[:15, RIGHT_HAND] = np.nan
    assert judge(replace(exact, landmarks=missing)).estimator["lost_track_ratio"] == 0.25


def test_a_lost_instant_is_in_one_acceleration_error_and_not_in_the_other(judge, exact):
    points = np.array(exact.landmarks)
    points[10, LEFT_HAND] += 0.5
    found = judge(replace(exact, landmarks=points)).estimator
    assert found["accel_error"] == pytest.approx(0, abs=1e-4)
    assert found["accel_error_with_lost"] > 10


def test_hands_count_where_two_cameras_see_them_whatever_the_estimate_says(judge, truth, exact):
    visibility = np.array(truth.visibility)
    visibility[1:, :, LEFT_HAND] = Visibility.HIDDEN
    visibility[1:, 10:, RIGHT_HAND] = Visibility.OUTSIDE
    blind = replace(exact, landmark_source=np.full((FRAMES, 75), Source.INFERRED))
    assert judge(blind, truth=replace(truth, visibility=visibility)).hand_frames == 10


def test_a_frame_that_was_dropped_shows_nothing(judge):
    numbers = np.tile(np.arange(FRAMES), (CAMERAS, 1))
    numbers[1:, 5] = np.iinfo(np.int64).min
    numbers[1:, 7] = FRAMES + 3
    assert judge(frame_index=numbers).hand_frames == 2 * FRAMES - 4


def test_exchanged_hands_are_side_errors(judge, exact):
    points = np.array(exact.landmarks)
    points[3, LEFT_HAND], points[3, RIGHT_HAND] = exact.landmarks[3, RIGHT_HAND], exact.landmarks[3, LEFT_HAND]
    assert judge(replace(exact, landmarks=points)).estimator["side_errors"] == 2


def test_observed_and_inferred_joints_are_measured_apart(judge, exact):
    source = np.array(exact.landmark_source)
    legs = list(MAIN_JOINTS[6:])
    source[:, legs] = Source.INFERRED
    source[:, MAIN_JOINTS[0]] = Source.MISSING
    found = judge(replace(moved(exact, legs, [0.05, 0, 0]), landmark_source=source)).estimator
    assert (found["body_mpjpe_observed_mm"], found["body_mpjpe_inferred_mm"]) == pytest.approx((0, 50), abs=1e-3)
    assert found["covariance_95_coverage_inferred"] == 0


def test_errors_beyond_the_sphere_of_sigma_are_not_covered(judge, exact):
    assert judge(moved(exact, slice(None), [0.0027, 0, 0])).estimator["covariance_95_coverage"] == 1
    assert judge(moved(exact, slice(None), [0.0029, 0, 0])).estimator["covariance_95_coverage"] == 0
    assert judge(moved(exact, POSE, [1, 0, 0])).estimator["covariance_95_coverage"] == pytest.approx(42 / 75)


def test_the_truth_is_taken_at_the_times_that_the_estimate_claims(judge, exact, sharp):
    late = judge(replace(exact, times_s=exact.times_s + 0.1)).estimator
    assert late["mkpe_mm"] > 5
    gone = judge(replace(exact, times_s=exact.times_s + 100))
    assert gone.hand_frames == 0
    assert gone.as_dict()["mkpe_mm"] is None


def test_the_baseline_has_the_true_sides_whatever_the_detector_called_them(judge, sharp, truth):
    swap = np.zeros((CAMERAS, FRAMES), dtype=bool)
    swap[1, ::2] = swap[3, 4:9] = True
    found = judge(landmarks=sharp.landmarks.exchanged(swap)).baseline
    assert found["mkpe_mm"] == pytest.approx(0, abs=1e-3)
    assert found["body_mpjpe_mm"] == pytest.approx(0, abs=1e-3)
    assert judge(landmarks=sharp.landmarks.exchanged(swap), truth=None).baseline["limb_length_variation_pct"] > 1


def test_a_single_hand_goes_to_the_nearer_one_and_body_and_hands_apart(sharp, truth):
    numbers = np.tile(np.arange(FRAMES), (CAMERAS, 1))
    pixels, confidence = np.array(sharp.landmarks.pixels), np.array(sharp.landmarks.confidence)
    pixels[0, :, RIGHT_HAND], confidence[0, :, RIGHT_HAND] = pixels[0, :, LEFT_HAND], 0.6
    pixels[0, :, LEFT_HAND], confidence[0, :, LEFT_HAND] = np.nan, np.nan
    found = with_true_sides(replace(sharp.landmarks, pixels=pixels, confidence=confidence), truth, numbers)
    np.testing.assert_array_equal(found.pixels[0, :, LEFT_HAND], sharp.landmarks.pixels[0, :, LEFT_HAND])
    assert (found.confidence[0, :, LEFT_HAND] == 0.6).all()
    assert np.isnan(found.pixels[0, :, RIGHT_HAND]).all()
    np.testing.assert_array_equal(found.pixels[:, :, POSE], sharp.landmarks.pixels[:, :, POSE])


def test_the_baseline_is_missing_where_one_camera_alone_sees(sharp, poses, hide):
    hidden = np.zeros((CAMERAS, FRAMES, 75), dtype=bool)
    hidden[1:, 3, 40] = True
    found = triangulated_baseline(hide(sharp.landmarks, hidden), sharp.rig, poses)
    assert np.argwhere(np.isnan(found).any(axis=-1)).tolist() == [[3, 40]]


def test_the_baseline_of_cameras_that_move_uses_each_frames_pose(sharp):
    motion = np.tile(np.eye(4), (FRAMES, 1, 1))
    motion[:, 0, 3] = np.linspace(0, 2, FRAMES)
    T = motion @ np.stack([camera.T_body_camera for camera in sharp.rig.cameras.values()])[:, None]
    found = triangulated_baseline(sharp.landmarks, sharp.rig, CameraPoses(sharp.landmarks.cameras, T, sharp.landmarks.cameras))
    np.testing.assert_allclose(found, sharp.points + motion[:, None, :3, 3], atol=1e-6)


def test_the_withheld_camera_is_not_given_to_the_fit(judge, sharp, exact):
    given = []

    def refit(landmarks, rig, camera_poses):
        given.append((landmarks.cameras, rig.names, camera_poses.cameras))
        assert landmarks.pixels.shape[0] == 3
        return replace(exact, cameras=landmarks.cameras, relabelled=np.zeros((3, FRAMES)))

    judge(refit=refit)
    expected = [tuple(name for name in sharp.landmarks.cameras if name != left_out) for left_out in sharp.landmarks.cameras]
    assert given == [(names, names, names) for names in expected]


def test_every_detection_of_the_withheld_camera_counts_under_its_own_label(judge, sharp):
    pixels, confidence = np.array(sharp.landmarks.pixels), np.array(sharp.landmarks.confidence)
    pixels[2, :, MAIN_JOINTS] += [30.0, 40.0]
    confidence[2] = 0.01
    found = judge(landmarks=replace(sharp.landmarks, pixels=pixels, confidence=confidence)).left_out.body["estimator"]
    assert found["cam2"] == pytest.approx({"median": 50, "p90": 50}, abs=1e-3)
    assert found["cam1"]["p90"] < 0.01
    swap = np.zeros((CAMERAS, FRAMES), dtype=bool)
    swap[2] = True
    assert judge(landmarks=sharp.landmarks.exchanged(swap)).left_out.body["estimator"]["cam2"]["median"] > 20


def test_a_point_behind_the_withheld_camera_is_infinitely_far_and_a_missing_one_is_not_compared(sharp, poses):
    behind = sharp.points + 3.0 * sharp.rig.cameras["cam0"].T_body_camera[:3, 3]
    behind[4] = np.nan
    error = withheld_error_px(behind, sharp.landmarks, sharp.rig, poses, "cam0")
    assert np.isinf(np.delete(error, 4, axis=0)).all()
    assert np.isnan(error[4]).all()


def test_a_camera_without_detections_and_a_fit_that_fails_have_no_figure_and_say_why(judge, sharp, hide, exact):
    hidden = np.zeros((CAMERAS, FRAMES, 75), dtype=bool)
    hidden[0] = True

    def refit(landmarks, rig, camera_poses):
        if "cam1" not in landmarks.cameras:
            raise DataError("Nobody is seen.")
        return replace(exact, cameras=landmarks.cameras, relabelled=np.zeros((3, FRAMES)))

    found = judge(landmarks=hide(sharp.landmarks, hidden), refit=refit)
    assert found.left_out.reasons == {"cam0": "it detected nothing", "cam1": "Nobody is seen."}
    values = found.as_dict()["leave_one_out_px"]
    assert values["cam0"] == values["cam1"] == {"median": None, "p90": None}
    assert values["cam2"]["median"] < 0.01


def test_frames_that_the_withheld_camera_alone_filmed_are_not_fitted(sharp, poses, exact):
    times, pixels = np.array(sharp.landmarks.times_s), np.array(sharp.landmarks.pixels)
    times[1:, 7:9], pixels[1:, 7:9] = np.nan, np.nan
    partial = replace(sharp.landmarks, times_s=times, pixels=pixels)
    frames = []

    def refit(landmarks, rig, camera_poses):
        frames.append((landmarks.frames, camera_poses.frames))
        kept = np.isfinite(times[0]) if "cam0" in landmarks.cameras else np.isfinite(times[1])
        return replace(
            exact, cameras=landmarks.cameras, relabelled=np.zeros((3, landmarks.frames)),
            **{name: getattr(exact, name)[kept] for name in ("times_s", "link_poses", "joint_angles", "joint_source", "base_pose", "landmarks",
                                                             "landmark_sigma", "landmark_source", "fit_error_px", "triangulated")},
        )  # fmt: skip

    found = leave_one_out.leave_each_out(partial, sharp.rig, poses, refit)
    assert frames[0] == (FRAMES - 2, FRAMES - 2)
    assert found.body["estimator"]["cam0"]["p90"] < 0.01


def test_one_camera_cannot_be_left_out(sharp, poses, exact):
    alone = sharp.landmarks.select(("cam0",))
    motion = replace(exact, cameras=("cam0",), relabelled=np.zeros((1, FRAMES)), frame="camera")
    found = evaluate(motion, alone, sharp.rig, poses, lambda *_: pytest.fail("a fit was started"))
    values = found.as_dict()
    assert values["leave_one_out_px"] is None
    assert values["not_refitted"] == {"cam0": "it is the only camera"}
    assert values["bone_length_variation_pct"] == pytest.approx(0, abs=1e-6)
    assert values["baseline"]["bone_length_variation_pct"] is None


@pytest.mark.parametrize("frame", ["camera", "head"])
def test_what_is_of_the_world_is_not_measured_of_an_estimate_that_is_not_in_it(judge, exact, frame):
    found = judge(replace(exact, frame=frame)).as_dict()
    for key in ("mkpe_mm", "lost_track_ratio", "side_errors", "wrist_mm", "body_mpjpe_mm", "accel_error", "covariance_95_coverage"):
        assert found[key] is None
    assert found["body_pa_mpjpe_mm"] == pytest.approx(0, abs=1e-4)
    assert (found["body_w_mpjpe_mm"] is None) == (frame == "head")


def test_a_camera_unknown_to_the_truth_is_named(judge, truth):
    strange = replace(truth, cameras=("a", "b", "c", "d"))
    with pytest.raises(UnknownNameError, match="camera 'cam0' is not in the truth file; valid: a, b, c, d"):
        judge(truth=strange)
    with pytest.raises(ValueError, match="truth needs frame_index"):
        judge(frame_index=None)


def test_every_phalanx_is_a_bone_once():
    assert len(set(PHALANGES)) == len(PHALANGES) == 2 * 15
    assert all(LANDMARK_NAMES[one].rsplit("_", 1)[0] == LANDMARK_NAMES[two].rsplit("_", 1)[0] for one, two in PHALANGES)
    assert len(evaluation.LIMBS) == 8


def test_landmarks_without_anybody_are_evaluated_to_nothing(judge, sharp, exact):
    shape = sharp.landmarks.confidence.shape
    nobody = Landmarks(
        sharp.landmarks.cameras, sharp.landmarks.times_s, np.full((*shape, 2), np.nan), np.full(shape, np.nan), np.full((*shape, 3), np.nan)
    )
    missing = replace(
        exact, landmarks=np.full((FRAMES, 75, 3), np.nan), landmark_sigma=np.full((FRAMES, 75), np.nan), landmark_covariance=None
    )
    values = judge(missing, landmarks=nobody).as_dict()
    assert values["lost_track_ratio"] == 1
    assert values["mkpe_mm"] is None
    assert values["baseline"]["lost_track_ratio"] == 1
