from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest

from bodydouble.errors import DataError
from bodydouble.task_bundle import _schema, build_task_bundle, check_task_bundle, is_model, with_normalization

MODEL = b"\x00\x00\x00\x00TFL3 rest"


def smallest_model() -> bytes:
    """A model of one operator-free graph with one image input and two outputs."""
    import flatbuffers

    schema = _schema("schema_py_generated")
    tensors = []
    for name, shape in [("input", [1, 8, 8, 3]), ("a", [1, 4]), ("b", [1, 1])]:
        tensor = schema.TensorT()
        tensor.name, tensor.shape = name, shape
        tensors.append(tensor)
    graph = schema.SubGraphT()
    graph.tensors, graph.inputs, graph.outputs = tensors, [0], [1, 2]
    model = schema.ModelT()
    model.version, model.subgraphs, model.buffers = 3, [graph], [schema.BufferT()]
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def metadata_of(model: bytes) -> Any:
    schema, metadata_schema = _schema("schema_py_generated"), _schema("metadata_schema_py_generated")
    tree = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model, 0))
    (entry,) = [e for e in tree.metadata or [] if e.name == b"TFLITE_METADATA"]
    content = bytes(tree.buffers[entry.buffer].data)
    assert content[4:8] == b"M001"
    return metadata_schema.ModelMetadataT.InitFromObj(metadata_schema.ModelMetadata.GetRootAs(content, 0))


def test_the_normalization_is_written_into_the_model() -> None:
    (graph,) = metadata_of(with_normalization(smallest_model(), mean=127.5, std=127.5)).subgraphMetadata
    (image,) = graph.inputTensorMetadata
    (unit,) = image.processUnits
    assert (list(unit.options.mean), list(unit.options.std)) == ([127.5], [127.5])
    assert (list(image.stats.min), list(image.stats.max)) == ([-1.0], [1.0])
    assert len(graph.outputTensorMetadata) == 2


def test_the_rest_of_the_model_is_unchanged() -> None:
    schema = _schema("schema_py_generated")
    before, after = (
        schema.ModelT.InitFromObj(schema.Model.GetRootAs(m, 0))
        for m in (smallest_model(), with_normalization(smallest_model(), mean=0, std=255))
    )
    assert [list(t.shape) for t in after.subgraphs[0].tensors] == [list(t.shape) for t in before.subgraphs[0].tensors]
    assert after.version == before.version
    assert len(after.buffers) == len(before.buffers) + 1


def test_a_model_that_has_metadata_is_left_as_it_is() -> None:
    once = with_normalization(smallest_model(), mean=0, std=255)
    assert with_normalization(once, mean=127.5, std=127.5) == once


def test_what_is_no_model_is_refused() -> None:
    assert not is_model(b"short")
    with pytest.raises(DataError, match="TFL3"):
        with_normalization(b"PK\x03\x04 something", mean=0, std=255)


def test_the_same_models_give_the_same_bytes_in_their_order() -> None:
    one, two = (build_task_bundle({"b.tflite": MODEL, "a.tflite": MODEL}) for _ in range(2))
    assert one == two


def test_the_models_of_a_bundle_are_listed(tmp_path: Path) -> None:
    (tmp_path / "a.task").write_bytes(build_task_bundle({"b.tflite": MODEL, "a.tflite": MODEL}))
    assert check_task_bundle(tmp_path / "a.task") == ("b.tflite", "a.tflite")


def test_a_bundle_without_models_is_refused_with_what_it_holds(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.task", "w") as archive:
        archive.writestr("readme.txt", "x")
        archive.writestr("a.tflite", "not a model")
    with pytest.raises(DataError, match=r"it holds readme\.txt, a\.tflite and no \.tflite model"):
        check_task_bundle(tmp_path / "a.task")


def test_a_file_that_is_no_zip_and_a_cut_and_a_damaged_one_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.task"
    path.write_bytes(b"x" * 100)
    with pytest.raises(DataError, match=r"is not a MediaPipe \.task bundle"):
        check_task_bundle(path)
    whole = build_task_bundle({"a.tflite": MODEL * 100})
    path.write_bytes(whole[:-40])
    with pytest.raises(DataError, match=r"is not a MediaPipe \.task bundle"):
        check_task_bundle(path)
    path.write_bytes(whole.replace(b"rest", b"rust", 1))
    with pytest.raises(DataError, match=r"is damaged at 'a\.tflite'"):
        check_task_bundle(path)


def frame_of(video: Path, index: int) -> Any:
    import av

    with av.open(str(video)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number == index:
                return frame.to_ndarray(format="rgb24")
    raise AssertionError


def test_mediapipe_takes_the_real_bundles_and_finds_the_man_and_his_hand(sample_videos: Path, pose_model: Path, hand_model: Path) -> None:
    import mediapipe as mp
    import numpy as np
    from mediapipe.tasks.python import BaseOptions, vision

    rgb = frame_of(sample_videos / "videos" / "cam04.mp4", 10)
    height, width = rgb.shape[:2]
    options = vision.PoseLandmarkerOptions(base_options=BaseOptions(model_asset_path=str(pose_model)))
    with vision.PoseLandmarker.create_from_options(options) as landmarker:
        (body,) = landmarker.detect(mp.Image(image_format=mp.ImageFormat.SRGB, data=rgb)).pose_landmarks
    assert len(body) == 33
    assert min(body[i].visibility for i in (11, 12, 13, 14, 15, 16)) > 0.9
    x, y = int(body[15].x * width), int(body[15].y * height)
    crop = np.ascontiguousarray(rgb[max(y - 70, 0) : y + 70, max(x - 70, 0) : x + 70])
    options = vision.HandLandmarkerOptions(base_options=BaseOptions(model_asset_path=str(hand_model)), min_hand_detection_confidence=0.2)
    with vision.HandLandmarker.create_from_options(options) as landmarker:
        (hand,) = landmarker.detect(mp.Image(image_format=mp.ImageFormat.SRGB, data=crop)).hand_landmarks
    assert len(hand) == 21
