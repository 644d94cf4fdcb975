"""People for a simulation: anny's mesh with stature, build and hands by seed, and joints where anatomy has them."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bodydouble.cache import cached, content_key
from bodydouble.hand_pose.simulation import landmark_table, mesh_cut
from bodydouble.hand_pose.simulation.body import Body
from bodydouble.hand_pose.simulation.extra import check_installed
from bodydouble.hand_pose.simulation.landmark_table import landmark_places
from bodydouble.hand_pose.simulation.mesh_cut import cut_along
from bodydouble.hand_pose.simulation.moment import Part

FloatArray = npt.NDArray[np.float64]

PROXIMAL_SHARE = {2: 0.245, 3: 0.266, 4: 0.244, 5: 0.204}
"""Length of each finger's proximal phalanx over the hand's (wrist to tip of the middle finger): Buchholz, Armstrong and Goldstein (1992),
"Anthropometric data for describing the kinematics of the human hand"; 2 is the index finger."""
THUMB_BASE_SHARE = 0.05
"""Over the hand's length: the mesh's thumb base lies that much too far from the wrist, 35 mm, where the carpus is 30 mm high beside the capitate: Youm,
McMurtry, Flatt and Gillespie (1978), "Kinematics of the wrist"."""
WRIST_SHARE = 0.04
"""The mesh's wrist joint lies in the forearm by that share of the hand's length; the radiocarpal joint is under the distal crease."""
HIP_SHARE = 0.052
"""Half the distance between hip joint centres over stature: Bell, Pedersen and Brand (1990), "A comparison of the accuracy of several hip
center location prediction methods", with the pelvic width of Drillis and Contini (1966)."""
KNUCKLE_BLEND = (-0.010, 0.018)
"""m along a finger, from its knuckle: where the skin passes from the palm to the finger."""
CUFF = 0.02
"""m before the wrist joint: where the sleeve ends."""
_WIDEST_WRIST = 0.08


@dataclass(frozen=True)
class Traits:
    """What makes one simulated person another. All in [0, 1] but ``hand``: anny's (MakeHuman's) scales."""

    gender: float
    """0 male, 1 female."""
    muscle: float
    weight: float
    height: float
    proportions: float
    hand: float
    """Larger than usual by that share of MakeHuman's range, which makes hands up to a quarter longer; negative for smaller ones."""

    @classmethod
    def of(cls, seed: int) -> Traits:
        """Draw an adult."""
        rng = np.random.default_rng([seed, 0x626F6479])
        gender = float(rng.integers(2))
        return cls(gender, *rng.uniform((0.35, 0.35, 0.2, 0.4, -0.25), (0.75, 0.7, 0.6, 0.9, 0.3)).tolist())


def make_person(seed: int) -> Body:
    """Return the person of a seed; the same on every machine with the same anny. Kept in the cache.

    Raises: MissingDependencyError without the extra "simulate".
    """
    check_installed()
    traits = Traits.of(seed)
    key = content_key(
        asdict(traits), version("anny"), Path(__file__), Path(landmark_table.__file__), landmark_table.TABLE, Path(mesh_cut.__file__)
    )
    return cached("person", key, ".h5", compute=lambda: _built(traits), save=Body.save, load=Body.load)


def _built(traits: Traits) -> Body:
    import torch
    from anny import Anny

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = Anny(skinning_method="lbs", local_changes="all")
    with torch.no_grad():
        rest = model(
            phenotype_kwargs={
                "gender": traits.gender, "age": 0.67, "muscle": traits.muscle, "weight": traits.weight, "height": traits.height,
                "proportions": traits.proportions,
            },
            local_changes_kwargs={f"{side}-hand-scale-incr": traits.hand for side in "lr"},
        )  # fmt: skip
    vertices, heads = _our_axes(rest["rest_vertices"][0].numpy()), _our_axes(rest["rest_bone_heads"][0].numpy())
    floor, top = vertices[:, 2].min(), vertices[:, 2].max()
    for points in (vertices, heads):
        points[:, 2] -= floor
    bones = tuple(str(name) for name in model.bone_labels)
    follows, weights = model.vertex_bone_indices.numpy(), model.vertex_bone_weights.numpy()
    base = model.base_mesh_vertex_indices.numpy()
    stature = float(top - floor)
    _move_joints(bones, vertices, heads, base, stature)
    follows, weights = _knuckle_weights(bones, vertices, heads, follows, weights)
    carrier, places = landmark_places(bones, heads, vertices, base)
    triangles = model.faces.numpy()
    for side in ("L", "R"):
        wrist, elbow = heads[bones.index(f"wrist.{side}")], heads[bones.index(f"lowerarm01.{side}")]
        along = (wrist - elbow) / np.linalg.norm(wrist - elbow)
        beyond = (vertices - wrist) @ along + CUFF
        beyond[np.linalg.norm(vertices - wrist, axis=1) > _WIDEST_WRIST] = np.nan
        vertices, triangles, follows, weights = cut_along(beyond, vertices, triangles, follows, weights)
    part = _parts(bones, vertices, heads, triangles, follows, weights)
    skin, parents = vertices.astype(np.float32), np.array(model.bone_parents)
    return Body(skin, triangles, part, bones, parents, heads, follows, weights, carrier, places, stature)


def _our_axes(points: Any) -> FloatArray:
    """Turn anny's axes (x left, y backward, z up) into x forward, y left, z up."""
    return np.stack([-points[:, 1], points[:, 0], points[:, 2]], axis=1)


def _move_joints(bones: tuple[str, ...], vertices: FloatArray, heads: FloatArray, base: Any, stature: float) -> None:
    """Put wrists, knuckles, thumb bases and hips where anatomy has them, in place.

    MakeHuman's finger bones start at the webs, 2 cm beyond the knuckles, which is where the hand is seen to bend and what a detector is taught.
    """
    row = {name: index for index, name in enumerate(bones)}
    for side in ("L", "R"):
        tip = vertices[np.isin(base, landmark_table.table()["finger3_tip"][side])].mean(axis=0)
        wrist, middle = row[f"wrist.{side}"], heads[row[f"finger3-1.{side}"]]
        hand = float(np.linalg.norm(tip - heads[wrist]))
        heads[wrist] += (middle - heads[wrist]) / np.linalg.norm(middle - heads[wrist]) * WRIST_SHARE * hand
        hand = float(np.linalg.norm(tip - heads[wrist]))
        for finger, share in PROXIMAL_SHARE.items():
            knuckle, beyond = row[f"finger{finger}-1.{side}"], heads[row[f"finger{finger}-2.{side}"]]
            direction, along = heads[knuckle] - beyond, heads[wrist] - beyond  # towards the wrist rather than out of the back of the hand
            direction = direction / np.linalg.norm(direction) + along / np.linalg.norm(along)
            heads[knuckle] = beyond + direction / np.linalg.norm(direction) * share * hand
        heads[row[f"finger1-1.{side}"]] -= (middle - heads[wrist]) / np.linalg.norm(middle - heads[wrist]) * THUMB_BASE_SHARE * hand
        hip = row[f"upperleg01.{side}"]
        heads[hip, 1] = np.sign(heads[hip, 1]) * HIP_SHARE * stature


def _knuckle_weights(
    bones: tuple[str, ...], vertices: FloatArray, heads: FloatArray, follows: Any, weights: Any
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Let the skin pass from palm to finger at the knuckle as it was moved."""
    row = {name: index for index, name in enumerate(bones)}
    dense = np.zeros((len(vertices), len(bones)))
    np.add.at(dense, (np.arange(len(vertices))[:, None], follows), weights)
    low, high = KNUCKLE_BLEND
    for side in ("L", "R"):
        for finger in (2, 3, 4, 5):
            palm, phalanx = row[f"metacarpal{finger - 1}.{side}"], row[f"finger{finger}-1.{side}"]
            axis = heads[row[f"finger{finger}-2.{side}"]] - heads[phalanx]
            along = (vertices - heads[phalanx]) @ (axis / np.linalg.norm(axis))
            share = np.clip((along - low) / (high - low), 0.0, 1.0)
            share = share * share * (3 - 2 * share)
            both = dense[:, palm] + dense[:, phalanx]
            dense[:, phalanx], dense[:, palm] = both * share, both * (1 - share)
    width = int((dense > 1e-4).sum(axis=1).max())
    order = np.argsort(-dense, axis=1, kind="stable")[:, :width]
    kept = np.take_along_axis(dense, order, axis=1)
    return order.astype(np.int32), (kept / kept.sum(axis=1, keepdims=True)).astype(np.float32)


def _parts(
    bones: tuple[str, ...], vertices: FloatArray, heads: FloatArray, triangles: Any, follows: Any, weights: Any
) -> npt.NDArray[np.uint8]:
    """Return (F,) the part of each triangle: that of the bone which its corners follow most; a hand ends with the sleeve, just before the wrist."""
    part = np.array([_part_of(name) for name in bones])
    by_vertex = np.zeros((len(follows), len(Part)))
    np.add.at(by_vertex, (np.arange(len(follows))[:, None], part[follows]), weights)
    found = by_vertex[triangles].sum(axis=1).argmax(axis=1)
    middle = vertices[triangles].mean(axis=1)
    for side, arm, hand in (("L", Part.LEFT_ARM, Part.LEFT_HAND), ("R", Part.RIGHT_ARM, Part.RIGHT_HAND)):
        wrist, elbow = heads[bones.index(f"wrist.{side}")], heads[bones.index(f"lowerarm01.{side}")]
        along = (middle - wrist) @ (wrist - elbow) / np.linalg.norm(wrist - elbow)
        limb = (found == arm) | (found == hand)
        found[limb] = np.where(along[limb] > -CUFF, hand, arm)
    return np.asarray(found, dtype=np.uint8)


def _part_of(bone: str) -> Part:
    name, _, side = bone.partition(".")
    left = side == "L"
    if name.startswith(("finger", "metacarpal", "wrist")):
        return Part.LEFT_HAND if left else Part.RIGHT_HAND
    if name.startswith(("upperarm", "lowerarm")):
        return Part.LEFT_ARM if left else Part.RIGHT_ARM
    if name.startswith(("foot", "toe")):
        return Part.LEFT_FOOT if left else Part.RIGHT_FOOT
    if name.startswith(("upperleg", "lowerleg")):
        return Part.LEFT_LEG if left else Part.RIGHT_LEG
    return Part.HEAD if name.startswith(("neck", "head", "eye")) else Part.TORSO
