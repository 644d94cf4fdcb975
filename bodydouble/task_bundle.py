"""MediaPipe `.task` bundles: zip files of TensorFlow Lite models, each with its input normalization written into it."""

from __future__ import annotations

import importlib.util
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bodydouble.errors import DataError, MissingDependencyError

_MODEL_IDENTIFIER = b"TFL3"
_METADATA_IDENTIFIER = b"M001"
_METADATA_NAME = "TFLITE_METADATA"
_EARLIEST = (1980, 1, 1, 0, 0, 0)


def build_task_bundle(models: Mapping[str, bytes]) -> bytes:
    """Pack models into a `.task` bundle.

    ``models`` maps the entry name that the task looks for (e.g. ``pose_detector.tflite``) to the model's bytes. The
    entries are stored uncompressed, because MediaPipe maps them in place, and with a fixed date, so that the same models
    give the same bytes.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in models.items():
            archive.writestr(zipfile.ZipInfo(name, _EARLIEST), content)
    return buffer.getvalue()


def check_task_bundle(path: Path) -> tuple[str, ...]:
    """Return the names of the models in a `.task` file.

    Raises: DataError if it is not a zip file, is damaged, or holds no TensorFlow Lite model.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
            if damaged is not None:
                raise DataError(f"{path} is damaged at '{damaged}'. Get the file again and repeat the command.")
            names = tuple(n for n in archive.namelist() if n.endswith(".tflite") and is_model(archive.read(n)))
            listed = ", ".join(archive.namelist()[:8]) or "nothing"
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{path} is not a MediaPipe .task bundle (a zip file of .tflite models): {error}.") from None
    if not names:
        raise DataError(f"{path} is not a MediaPipe .task bundle: it holds {listed} and no .tflite model.")
    return names


def is_model(content: bytes) -> bool:
    """Tell whether ``content`` is a TensorFlow Lite model, by its file identifier."""
    return content[4:8] == _MODEL_IDENTIFIER


def with_normalization(model: bytes, *, mean: float, std: float) -> bytes:
    """Return a model that says how its image input is normalized: ``(pixel - mean) / std``, pixel in 0..255.

    A float model without this cannot be used by a MediaPipe task, whose error is then a misleading
    ``FileNotFoundError``. A model that already has metadata is returned as it is. MediaPipe 1.2's own metadata writers do
    not import, hence the schema classes under them.

    Raises: DataError if ``model`` is not a TensorFlow Lite model.
    """
    if not is_model(model):
        raise DataError("A TensorFlow Lite model was expected, but the file's identifier is not TFL3.")
    import flatbuffers

    model_schema, metadata_schema = _schema("schema_py_generated"), _schema("metadata_schema_py_generated")
    tree = model_schema.ModelT.InitFromObj(model_schema.Model.GetRootAs(model, 0))
    entries = list(tree.metadata or [])
    if any(_text(entry.name) == _METADATA_NAME for entry in entries):
        return model

    options = metadata_schema.NormalizationOptionsT()
    options.mean, options.std = [mean], [std]
    unit = metadata_schema.ProcessUnitT()
    unit.optionsType, unit.options = metadata_schema.ProcessUnitOptions.NormalizationOptions, options
    image = metadata_schema.ImagePropertiesT()
    image.colorSpace = metadata_schema.ColorSpaceType.RGB
    content = metadata_schema.ContentT()
    content.contentPropertiesType, content.contentProperties = metadata_schema.ContentProperties.ImageProperties, image
    stats = metadata_schema.StatsT()
    stats.min, stats.max = [(0.0 - mean) / std], [(255.0 - mean) / std]
    tensor = metadata_schema.TensorMetadataT()
    tensor.name, tensor.processUnits, tensor.content, tensor.stats = "image", [unit], content, stats
    graph = metadata_schema.SubGraphMetadataT()
    graph.inputTensorMetadata = [tensor]
    graph.outputTensorMetadata = [_named_output(metadata_schema, index) for index in range(len(tree.subgraphs[0].outputs))]
    description = metadata_schema.ModelMetadataT()
    description.subgraphMetadata = [graph]
    packer = flatbuffers.Builder(0)
    packer.Finish(description.Pack(packer), _METADATA_IDENTIFIER)

    data = model_schema.BufferT()
    data.data = packer.Output()
    tree.buffers.append(data)
    entry = model_schema.MetadataT()
    entry.name, entry.buffer = _METADATA_NAME, len(tree.buffers) - 1
    tree.metadata = [*entries, entry]
    packer = flatbuffers.Builder(len(model) + 4096)
    packer.Finish(tree.Pack(packer), _MODEL_IDENTIFIER)
    return bytes(packer.Output())


def _schema(name: str) -> Any:
    """Load one of MediaPipe's generated schema modules by its file.

    Importing it as part of its package would load OpenCV and libmediapipe with all their system libraries, which a machine
    that only fetches models need not have.
    """
    package = importlib.util.find_spec("mediapipe")
    for folder in (package.submodule_search_locations or ()) if package else ():
        file = Path(folder) / "tasks" / "metadata" / f"{name}.py"
        spec = importlib.util.spec_from_file_location(f"bodydouble._mediapipe_{name}", file)
        if file.exists() and spec is not None and spec.loader is not None:
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module
    raise MissingDependencyError(
        "MediaPipe's model schema (mediapipe/tasks/metadata) was not found. Install mediapipe 1.2 with `pip install 'mediapipe>=1.2,<2'`."
    )


def _named_output(schema: Any, index: int) -> Any:
    tensor = schema.TensorMetadataT()
    tensor.name = f"output_{index}"
    return tensor


def _text(value: object) -> str:
    return value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)
