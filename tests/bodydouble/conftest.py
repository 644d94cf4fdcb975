"""A catalogue of small assets that the real pip fetches from a folder, so that no test of fetching needs a network."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bodydouble import assets
from bodydouble.asset_catalogue import Asset, AssetFile, BundleEntry
from bodydouble.pip_download import Wheel

# The first eight bytes are what makes a file a model; the metadata's name makes it one that is left as it is.
MEMBERS = {
    "small/left.mp4": b"left video",
    "small/stills/1.png": b"still",
    "small/LICENSE": b"licence",
    "small/model.tflite": b"\x00\x00\x00\x00TFL3 model",
}


@dataclass(frozen=True)
class Index:
    """A folder that serves as package index, with one wheel in it."""

    folder: Path
    wheel: Path
    monkeypatch: pytest.MonkeyPatch

    def goes_offline(self) -> None:
        self.monkeypatch.delenv("PIP_FIND_LINKS")

    def comes_back(self) -> None:
        self.monkeypatch.setenv("PIP_FIND_LINKS", str(self.folder))


@pytest.fixture
def index(tmp_path: Path, isolated_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    """Make ``small==1.0`` with the sample ``street`` and the model ``tiny.task``, both missing from the cache."""
    folder = tmp_path / "index"
    folder.mkdir()
    wheel = folder / "small-1.0-py3-none-any.whl"
    metadata = "Metadata-Version: 2.1\nName: small\nVersion: 1.0\n"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in MEMBERS.items():
            archive.writestr(name, content)
        archive.writestr("small-1.0.dist-info/METADATA", metadata)
        archive.writestr("small-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("small-1.0.dist-info/RECORD", "")
    content = wheel.read_bytes()
    spec = Wheel("small", "small==1.0", hashlib.sha256(content).hexdigest(), len(content), "BSD-3-Clause", ("street", "tiny.task"))
    files = {n: AssetFile(n, n.removeprefix("small/"), hashlib.sha256(c).hexdigest()) for n, c in MEMBERS.items()}
    street = Asset("street", "sample", spec, "a small sample", "the tests", tuple(files[n] for n in list(MEMBERS)[:3]), ())
    tiny = Asset("tiny.task", "model", spec, "a small model", "the tests", (files["small/model.tflite"],), ())
    tiny = replace(tiny, bundle=(BundleEntry("detector.tflite", "model.tflite", 0.0, 255.0),))
    monkeypatch.setattr(assets, "catalogue", lambda: {"street": street, "tiny.task": tiny})
    monkeypatch.setattr(assets, "with_normalization", lambda model, mean, std: model)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return Index(folder, wheel, monkeypatch)
