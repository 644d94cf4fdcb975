"""The hand networks by themselves: the same palms and landmarks as MediaPipe's own task, near enough, on a real photograph."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from bodydouble.calibration import assumed_camera
from bodydouble.errors import MissingDependencyError
from bodydouble.hand_pose.detector import hand_landmarker, mediapipe_image
from bodydouble.hand_pose.hand_crop import HandCrop
from bodydouble.hand_pose.hand_models import PALM_SIDE, HandModels, Palm, _anchors, _merged


def test_there_is_an_anchor_for_every_answer_of_the_palm_detector_and_all_lie_in_the_image():
    anchors = _anchors()
    assert anchors.shape == (2016, 2)
    assert anchors.min() > 0
    assert anchors.max() < 1
    np.testing.assert_allclose(anchors[:2], 0.5 / 24)
    np.testing.assert_allclose(anchors[1152:1158], 0.5 / 12)


def test_boxes_that_overlap_are_one_palm_and_others_stay_apart():
    boxes = np.array([[0.1, 0.1, 0.3, 0.3], [0.12, 0.1, 0.32, 0.3], [0.6, 0.6, 0.8, 0.8]])
    points = np.repeat(boxes[:, None, :2], 7, axis=1)
    palms = _merged(np.array([0.9, 0.3, 0.5]), points, boxes)
    assert [round(score, 1) for score, _, _ in palms] == [0.9, 0.5]
    np.testing.assert_allclose(palms[0][2], [0.105, 0.1, 0.305, 0.3])


def test_a_file_without_the_networks_is_a_missing_dependency(tmp_path):
    file = tmp_path / "hands.task"
    file.write_bytes(b"nothing")
    with pytest.raises(MissingDependencyError, match=r"hands\.task could not be loaded.*assets fetch"):
        HandModels(file)


def test_the_landmarks_of_a_real_hand_are_those_of_the_whole_task(hand_model, shared_data):
    video = cv2.VideoCapture(str(shared_data / "hands" / "dexretarget_hand.mp4"))
    video.set(cv2.CAP_PROP_POS_FRAMES, 100)
    rgb = np.ascontiguousarray(video.read()[1][:, 280:1000, ::-1])
    task = hand_landmarker(hand_model, 0.4)
    (landmarks,) = task.detect(mediapipe_image(rgb)).hand_landmarks
    task.close()
    expected = np.array([(point.x, point.y) for point in landmarks]) * 720 - 0.5

    camera = assumed_camera((720, 720))
    models = HandModels(hand_model)
    view = HandCrop.searching(np.array([0.0, 0.0, 1.0]), 64.9, PALM_SIDE, np.array([0.0, -1.0, 0.0]))
    (palm,) = models.palms(view.cut(rgb, camera), 0.5)
    assert isinstance(palm, Palm)
    crop = HandCrop.of_palm(palm, view)
    found = models.hand(crop.cut(rgb, camera))
    for _ in range(2):  # settle as a followed hand does
        crop = HandCrop.around(crop.rays(found.points))
        found = models.hand(crop.cut(rgb, camera))
    pixels = camera.project(crop.rays(found.points))
    size = np.ptp(expected, axis=0).max()
    assert np.linalg.norm(pixels - expected, axis=1).mean() < 0.03 * size
    assert found.presence > 0.9
    assert found.left < 0.5
    assert models.seconds > 0


def test_a_grey_wall_has_no_palms(hand_model):
    assert HandModels(hand_model).palms(np.full((PALM_SIDE, PALM_SIDE, 3), 127, np.uint8), 0.3) == []
