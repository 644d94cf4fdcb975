"""``SCHEMA.md``, printed from the one definition: ``python -m bodydouble.datasets.schema_page > datasets/SCHEMA.md``."""

from __future__ import annotations

from bodydouble.datasets.schema import FIELDS, SCHEMA_VERSION, Field

_BEFORE = """# The episode file

Version {version}. Printed from `datasets/schema.py` by `python -m bodydouble.datasets.schema_page`; a test compares the two. Change that file, not this one.

One HDF5 file an episode. It is written beside its target, closed, synced and renamed; `complete` is the last thing written, so a file under its final name
is whole. Axes: T frames, C cameras, J robot joints, H joints and L links of the person's tree, S segments. Frame t is the same instant everywhere.
Positions are metres, angles radians, times seconds from the start of the recording; world and base axes are x forward, y left, z up, cameras x right, y down,
z forward; quaternions are xyzw. Sources are {source}.

A missing number is NaN, never 0 or the last value. *Missing* below: `never` - every value is a number; `NaN` - values may be NaN; `NaN where M = 0` - NaN
exactly where the mask M is 0.

## Datasets

Each has the attributes `meaning`, `sha256` (of its bytes in C order), and where it applies `unit`, `frame` and `quaternion_order`.

| path | dtype | shape | unit | frame | missing | since | meaning |
|---|---|---|---|---|---|---|---|
"""

_AFTER = """
Optional datasets are marked `*`: they are left out where nothing is known of them.

## Images

One of the two, or neither:

| path | dtype | meaning |
|---|---|---|
| `images/CAMERA` | (T,) variable-length uint8 | one JPEG a frame, one a chunk, empty where `recording/present` is 0; RGB once decoded. Attributes: `encoding`, `image_size` (width, height), `sha256` of the frames' SHA-256 digests joined |
| `videos/CAMERA` | (T,) int64 | frame of the H.264 video `file` beside the episode; -1 where `recording/present` is 0. Attributes: `file`, `sha256` of that file, `image_size`, `encoding` |

Stored images are the video's, shrunk: their pixels times `recording/image_size` over `image_size`, plus `recording/crop_origin_px`, are pixels of the calibrated image.

## Texts and attributes

| where | holds |
|---|---|
| attributes of the file | `format` ("bodydouble-episode"), `schema_version`, `task` (in words), `grade` (A to D), `complete` |
| `rig` | rig.toml: camera models, distortion, mounts, clock offsets, each with sigma |
| `provenance` | JSON object: versions, settings, seed, SHA-256 of the inputs (videos, robot, tag map), `parent_episode` of a variation |
| `quality/NAME` | float64 scalar with attributes `unit`, `threshold` (NaN: informs only), `verdict`, `better`, `remedy` |
| attributes of `robot` | `robot`, `joint_names`, `joint_groups`, `frame`, `solver` (JSON) |
| attributes of `human` | `frame`, `link_names`, `joint_names`, `bone_lengths` (m), `stature` (m), `cameras`, `assumed`, `estimated` (JSON) |
| attributes of `landmarks` | `cameras`, `names` (75), `settings` of the detector (JSON) |
| attributes of `recording` | `name`, `cameras`, `started_utc_ns`, `operator` (a pseudonym), `licence`, `privacy` (unknown, identifiable, faces_blurred or nobody) (JSON) |
| attributes of `recording/consent` | `version`, `scope` (of training, sharing, publication), `expires` (ISO date), `statement` (JSON); in version 1 one text `consent` of `recording` |
| attributes of `cameras` | `models`: camera model of each (JSON) |
| attributes of `segments` | `text`: what is done in each (JSON) |

## Versions

| version | what came with it |
|---|---|
| 1 | the first |
| 2 | `robot/actions` and their source, `poses`, `cameras`, `segments`, consent with scope and expiry, licence, privacy, checksums, videos |

Every version is still read. What an older file lacks is worked out from the rest (actions, poses of the person, cameras) or stays empty (segments, poses of the
robot, licence). Writing an episode again writes the present version.
"""


def schema_page() -> str:
    """Return the page as Markdown."""
    rows = "".join(_row(field) for field in FIELDS)
    source = "0 missing, 1 observed, 2 interpolated, 3 inferred"
    return _BEFORE.format(version=SCHEMA_VERSION, source=source) + rows + _AFTER


def _row(field: Field) -> str:
    missing = "never" if field.missing == "never" else f"NaN where `{field.mask}` = 0" if field.mask else "NaN"
    shape = f"({', '.join(map(str, field.shape))}{',' if len(field.shape) == 1 else ''})"
    unit = (
        "1 = yes"
        if field.unit.startswith("0 no") and "255" not in field.unit
        else "source"
        if field.unit.startswith("0 missing")
        else field.unit
    )
    order = f"; quaternions {field.quaternion_order}" if field.quaternion_order else ""
    path = f"`{field.path}`{' *' if field.optional else ''}"
    return f"| {path} | {field.dtype} | {shape} | {unit} | {field.frame or '-'} | {missing} | {field.since} | {field.meaning}{order} |\n"


if __name__ == "__main__":
    print(schema_page(), end="")
