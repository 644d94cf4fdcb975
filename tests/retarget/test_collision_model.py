"""Capsules hold the shapes that they are made from, and the pairs that are kept apart are those that can meet."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pinocchio as pin
import pytest
from scipy.spatial.transform import Rotation

from bodydouble.retarget import Robot
from bodydouble.retarget.capsule_fitting import (
    OUTSIDE,
    Capsule,
    capsules_around,
    distance_outside,
    distance_to_capsules,
    surface_points,
)
from bodydouble.retarget.collision_draft import bone_capsules, collision_model, draft_capsules, make_collision_model
from bodydouble.retarget.collision_model import CollisionModel
from bodydouble.retarget.collision_pairs import candidate_pairs, segment_distances, without_ignored
from bodydouble.retarget.description import Shape, pose_from, read_description

FARTHEST_OUT = 0.003
MOST_SLACK = 0.015
ROUND_BODIES = {"torso": 0.018, "pelvis": 0.024, "left_clavicle_link": 0.017, "right_clavicle_link": 0.017}
"""Links of many plates, or as wide as long, which would need three times as many capsules to be held as closely as the others."""


@pytest.fixture(scope="module")
def optimus() -> Robot:
    return Robot.load("optimus")


def shapes_at_random(seed: int) -> tuple[Shape, ...]:
    rng = np.random.default_rng(seed)
    shapes = []
    for kind in rng.choice(["box", "cylinder", "sphere", "capsule"], size=rng.integers(1, 4)):
        size = tuple(rng.uniform(0.01, 0.12, {"box": 3, "sphere": 1}.get(kind, 2)))
        shapes.append(Shape(kind, size, pose_from(Rotation.random(rng=rng).as_matrix(), rng.uniform(-0.05, 0.05, 3))))
    return tuple(shapes)


@pytest.mark.parametrize("seed", range(12))
def test_capsules_hold_whatever_they_are_made_from(seed: int) -> None:
    shapes = shapes_at_random(seed)
    capsules = capsules_around(shapes)
    assert distance_to_capsules(surface_points(shapes), capsules).max() <= OUTSIDE + 6e-4
    # Every side is near the shapes; only round ends stand out further, over flat ones.
    for capsule in capsules:
        assert distance_outside(capsule.surface(5, 12)[:60], shapes).max() < 0.03


def test_a_rod_with_round_ends_is_one_capsule_of_its_own_size() -> None:
    rod = [Shape("cylinder", (0.02, 0.1), np.eye(4))]
    rod += [Shape("sphere", (0.02,), pose_from(np.eye(3), np.array([0, 0, z]))) for z in (-0.05, 0.05)]
    (capsule,) = capsules_around(tuple(rod))
    assert capsule.radius == pytest.approx(0.02, abs=1e-4)
    np.testing.assert_allclose(sorted([capsule.a[2], capsule.b[2]]), [-0.05, 0.05], atol=3e-3)


def test_a_plate_is_split_rather_than_held_by_one_thick_capsule() -> None:
    capsules = capsules_around((Shape("box", (0.17, 0.072, 0.03), np.eye(4)),))
    assert len(capsules) == 2
    assert all(capsule.radius < 0.025 for capsule in capsules)


def test_meshes_alone_give_no_capsule() -> None:
    assert capsules_around((Shape("mesh", (1, 1, 1), np.eye(4), "a.stl"),)) == []


def test_the_robots_capsules_hold_its_shapes_closely(optimus: Robot) -> None:
    model = optimus.collision
    slack: dict[str, float] = {}
    for name, link in optimus.description.links.items():
        mine = [i for i, owner in enumerate(model.link) if owner == name]
        if not mine:
            continue
        capsules = [Capsule(model.a[i], model.b[i], float(model.radius[i])) for i in mine]
        assert distance_to_capsules(surface_points(link.collision), capsules).max() <= FARTHEST_OUT, name
        slack[name] = max(float(distance_outside(c.surface(5, 12)[:60], link.collision).max()) for c in capsules)
    assert len(slack) > 70
    assert {name: value for name, value in slack.items() if value > ROUND_BODIES.get(name, MOST_SLACK)} == {}


def test_shapes_that_no_capsule_holds_lie_in_those_of_their_neighbours(optimus: Robot) -> None:
    model = optimus.collision
    bare = [name for name, link in optimus.description.links.items() if link.collision and name not in model.link]
    assert bare  # knuckles and the thumb's base
    rng = np.random.default_rng(3)
    for _ in range(5):
        positions = optimus.lower + rng.uniform(size=78) * (optimus.upper - optimus.lower)
        poses = dict(zip(optimus.link_names, optimus.link_poses(positions, [0, 0, 0, 0, 0, 0, 1]), strict=True))
        placed = [
            Capsule(*(poses[link][:3, :3] @ end + poses[link][:3, 3] for end in (a, b)), float(r))
            for link, a, b, r in zip(model.link, model.a, model.b, model.radius, strict=True)
        ]
        for name in bare:
            points = surface_points(optimus.description.links[name].collision) @ poses[name][:3, :3].T + poses[name][:3, 3]
            assert distance_to_capsules(points, placed).max() <= FARTHEST_OUT + 1e-3, name


def test_capsules_are_never_further_apart_than_the_shapes_that_they_hold(optimus: Robot) -> None:
    """What coal measures between the URDF's own shapes is at most 6 mm less: a gap that is kept between capsules is kept between shapes."""
    geometry = pin.buildGeomFromUrdf(optimus.model, str(optimus.urdf_path), pin.GeometryType.COLLISION)
    of_link: dict[str, list[int]] = {}
    for i, item in enumerate(geometry.geometryObjects):
        of_link.setdefault(optimus.model.frames[item.parentFrame].name, []).append(i)
    model = optimus.collision
    pairs = model.link_pairs()
    rng = np.random.default_rng(0)
    data, geometry_data = optimus.model.createData(), pin.GeometryData(geometry)
    compared = 0
    for _ in range(6):
        positions = optimus.lower + rng.beta(0.7, 0.7, 78) * (optimus.upper - optimus.lower)
        q = optimus.configuration(positions, [0, 0, 0, 0, 0, 0, 1])
        pin.updateGeometryPlacements(optimus.model, data, geometry, geometry_data, q)
        for a, b in (pairs[i] for i in rng.choice(len(pairs), 25, replace=False)):
            true = np.inf
            for i in of_link[a]:
                for j in of_link[b]:
                    geometry_data_pair = pin.CollisionPair(i, j)
                    geometry.removeAllCollisionPairs()
                    geometry.addCollisionPair(geometry_data_pair)
                    local = pin.GeometryData(geometry)
                    pin.updateGeometryPlacements(optimus.model, data, geometry, local)
                    true = min(true, pin.computeDistance(geometry, local, 0).min_distance)
            assert capsule_gap(optimus, model, positions, a, b) <= true + 2 * FARTHEST_OUT
            compared += 1
    assert compared == 150


def capsule_gap(robot: Robot, model: CollisionModel, positions: np.ndarray, a: str, b: str) -> float:
    poses = dict(zip((a, b), robot.link_poses(positions, [0, 0, 0, 0, 0, 0, 1], [a, b]), strict=True))
    gaps = []
    for i, j in ((i, j) for i, link in enumerate(model.link) if link == a for j, other in enumerate(model.link) if other == b):
        ends = [poses[link][:3, :3] @ end[k] + poses[link][:3, 3] for link, k in ((a, i), (b, j)) for end in (model.a, model.b)]
        gaps.append(float(segment_distances(*ends)) - model.radius[i] - model.radius[j])
    return min(gaps)


def test_distances_of_segments_are_the_least_between_their_points() -> None:
    rng = np.random.default_rng(0)
    ends = rng.normal(size=(4, 60, 3))
    ends[1, :6] = ends[0, :6]  # points
    ends[3, 3:9] = ends[2, 3:9]
    ends[3, 10:16] = ends[2, 10:16] + 2.5 * (ends[1, 10:16] - ends[0, 10:16])  # parallel
    found = segment_distances(*ends)
    share = np.linspace(0, 1, 201)
    one = ends[0][:, None] + share[:, None] * (ends[1] - ends[0])[:, None]
    two = ends[2][:, None] + share[:, None] * (ends[3] - ends[2])[:, None]
    tried = np.linalg.norm(one[:, :, None] - two[:, None], axis=-1).min(axis=(1, 2))
    assert (found <= tried + 1e-9).all()
    np.testing.assert_allclose(found, tried, atol=0.03)


def test_the_shipped_pairs_are_those_of_the_shipped_robot(optimus: Robot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bodydouble.retarget.collision_draft.make_collision_model", lambda _: pytest.fail("capsules.json is out of date"))
    assert len(collision_model(optimus).pairs) > 500


def test_neighbours_pads_and_far_fingers_are_no_pairs(optimus: Robot) -> None:
    pairs = {frozenset(pair) for pair in optimus.collision.link_pairs()}
    for a, b in (
        ("left_thigh", "left_shank"), ("pelvis", "left_thigh"), ("left_forearm", "left_forearm_roll_link"), ("left_index_middle", "left_index_distal"),
        ("left_thumb_distal", "left_index_distal"), ("left_thumb_distal", "left_little_distal"), ("left_index_distal", "left_ring_distal"),
        ("left_palm", "left_index_proximal"),
    ):  # fmt: skip
        assert frozenset((a, b)) not in pairs, (a, b)
    for a, b in (
        ("left_palm", "torso"), ("left_palm", "right_palm"), ("left_index_distal", "left_middle_distal"), ("left_thumb_distal", "left_index_middle"),
        ("left_index_distal", "right_index_distal"), ("left_index_distal", "head"), ("left_forearm", "torso"), ("left_shank", "right_shank"),
        ("left_index_distal", "left_palm"), ("left_toes", "right_foot"),
    ):  # fmt: skip
        assert frozenset((a, b)) in pairs, (a, b)


def test_pairs_are_alike_left_and_right(optimus: Robot) -> None:
    pairs = {frozenset(pair) for pair in optimus.collision.link_pairs()}
    swap = {"left": "right", "right": "left"}

    def mirrored(link: str) -> str:
        side, _, rest = link.partition("_")
        return f"{swap[side]}_{rest}" if side in swap else link

    odd = [pair for pair in pairs if frozenset(map(mirrored, pair)) not in pairs]
    assert len(odd) < 0.05 * len(pairs)  # some are just near enough in the random postures, and their mirror image is not


def test_no_pair_overlaps_at_rest(optimus: Robot) -> None:
    from bodydouble.retarget.robot_check import overlaps

    assert overlaps(optimus, optimus.rest) == {}


def test_ignored_pairs_are_left_out_either_way_round() -> None:
    links = ["left_palm", "torso", "left_index_tip", "right_palm"]
    pairs = np.array([[0, 1], [1, 2], [0, 3], [2, 3]])
    assert without_ignored(pairs, links, [("torso", "left_*")]).tolist() == [[0, 3], [2, 3]]
    assert without_ignored(pairs, links, [("*_palm", "*_palm")]).tolist() == [[0, 1], [1, 2], [2, 3]]
    assert without_ignored(pairs, links, []).tolist() == pairs.tolist()


def test_bodies_next_to_each_other_are_no_candidates(optimus: Robot) -> None:
    names = ["left_hip", "left_hip_cross", "left_thigh", "left_shank", "pelvis", "left_foot"]
    joints = np.array([optimus.model.frames[optimus.frame_id(name)].parentJoint for name in names])
    found = {frozenset((names[i], names[j])) for i, j in candidate_pairs(optimus.model, joints)}
    assert frozenset(("left_hip", "left_thigh")) not in found  # the three joints of a hip are at one place
    assert frozenset(("pelvis", "left_thigh")) not in found
    assert frozenset(("pelvis", "left_shank")) in found
    assert frozenset(("left_thigh", "left_foot")) in found


def test_a_model_is_kept_with_what_it_was_made_from(optimus: Robot, tmp_path: Path) -> None:
    model = optimus.collision
    model.save(tmp_path / "c.json", key="abc")
    assert CollisionModel.load(tmp_path / "c.json", key="other") is None
    kept = CollisionModel.load(tmp_path / "c.json", key="abc")
    assert kept is not None
    assert kept.link == model.link
    np.testing.assert_array_equal(kept.pairs, model.pairs)
    np.testing.assert_allclose(kept.a, model.a, atol=1e-5)
    assert kept.margin == model.margin
    assert json.loads((tmp_path / "c.json").read_text())["source"] == model.source


def test_arrays_cannot_be_changed(optimus: Robot) -> None:
    with pytest.raises(ValueError, match="read-only"):
        optimus.collision.radius[0] = 1.0
    with pytest.raises(ValueError, match=r"CollisionModel\.a has shape \(1, 3\)"):
        replace(optimus.collision, a=np.zeros((1, 3)))


ARM = """
<robot name="arm">
  <link name="base"><inertial><mass value="2"/><inertia ixx="0.01" iyy="0.01" izz="0.01"/></inertial></link>
  <link name="upper"><inertial><origin xyz="0 0 -0.15"/><mass value="1.5"/><inertia ixx="0.012" iyy="0.012" izz="0.001"/></inertial>
    <collision><geometry><mesh filename="gone.stl"/></geometry></collision></link>
  <link name="motor"><inertial><mass value="0.5"/><inertia ixx="1e-9" iyy="1e-9" izz="1e-9"/></inertial></link>
  <link name="lower"><inertial><origin xyz="0 0 -0.1"/><mass value="0.8"/><inertia ixx="0.003" iyy="0.003" izz="0.0004"/></inertial></link>
  <link name="tip"/>
  <joint name="a" type="revolute"><parent link="base"/><child link="upper"/><origin xyz="0 0.3 0"/><axis xyz="0 1 0"/><limit lower="-2" upper="2"/></joint>
  <joint name="b" type="revolute"><parent link="upper"/><child link="motor"/><origin xyz="0 0 -0.3"/><axis xyz="0 1 0"/><limit lower="-2" upper="2"/></joint>
  <joint name="c" type="revolute"><parent link="motor"/><child link="lower"/><axis xyz="1 0 0"/><limit lower="-2" upper="2"/></joint>
  <joint name="d" type="fixed"><parent link="lower"/><child link="tip"/><origin xyz="0 0 -0.25"/></joint>
</robot>
"""


def test_links_without_primitives_get_capsules_along_their_bones(tmp_path: Path) -> None:
    (tmp_path / "arm.urdf").write_text(ARM)
    described = read_description(tmp_path / "arm.urdf")
    (upper,) = bone_capsules(described, described.links["upper"], [])
    ends = sorted([upper.a[2], upper.b[2]])
    assert ends[0] - upper.radius == pytest.approx(-0.3, abs=1e-9)  # from joint to joint
    assert ends[1] + upper.radius == pytest.approx(0.0, abs=1e-9)
    assert 0.02 < upper.radius < 0.08
    (lower,) = bone_capsules(described, described.links["lower"], [np.array([0, 0, -0.25])])
    assert min(lower.a[2], lower.b[2]) - lower.radius == pytest.approx(-0.25, abs=1e-9)
    (motor,) = bone_capsules(described, described.links["motor"], [])
    assert motor.radius == pytest.approx((0.75 * 0.5 / (np.pi * 1000)) ** (1 / 3))  # an inertia that is none: a ball of its mass
    assert bone_capsules(described, described.links["tip"], []) == []
    capsules, source = draft_capsules(described, {})
    assert [link for link, _ in capsules] == ["base", "upper", "motor", "lower"]
    assert source == "drafted: 4 links from their bones and masses"


def test_balls_under_a_foot_are_not_all_of_it(tmp_path: Path) -> None:
    ball = '<collision><origin xyz="{} 0 -0.05"/><geometry><sphere radius="0.005"/></geometry></collision>'
    mass = '<inertial><mass value="0.6"/><inertia ixx="0.0004" iyy="0.002" izz="0.002"/></inertial>'
    foot = f'<link name="tip">{mass}{ball.format(-0.05)}{ball.format(0.1)}</link>'
    (tmp_path / "leg.urdf").write_text(ARM.replace('<link name="tip"/>', foot))
    described = read_description(tmp_path / "leg.urdf")
    capsules, source = draft_capsules(described, {"tip": [np.array([-0.06, 0, -0.055]), np.array([0.11, 0, -0.055])]})
    radii = [capsule.radius for link, capsule in capsules if link == "tip"]
    assert len(radii) == 3
    assert "1 links from their primitives" in source
    foot_capsule = max((c for link, c in capsules if link == "tip"), key=lambda c: c.radius)
    assert foot_capsule.a[2] - foot_capsule.radius == pytest.approx(-0.055, abs=1e-9)  # it stands on the sole
    assert foot_capsule.a[0] - foot_capsule.radius == pytest.approx(-0.06, abs=1e-9)


def test_capsules_of_the_toml_are_taken_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "arm.urdf").write_text(ARM)
    (tmp_path / "arm.toml").write_text(
        'name = "arm"\nurdf = "arm.urdf"\nbase = "fixed"\n[groups]\nall = ["a", "b", "c"]\n[skeleton]\nleft_hand = "tip"\n'
        '[[tasks]]\nname = "hand"\nkind = "position"\nrobot = "tip"\nweight = 1.0\n'
        '[collision]\nmargin = 0.01\ncapsules = [\n{ link = "base", a = [0, 0, 0], b = [0, 0.1, 0], radius = 0.2 },\n'
        '{ link = "lower", a = [0, 0, -0.1], b = [0, 0, -0.2], radius = 0.03 } ]\n'
    )
    robot = Robot.load(tmp_path / "arm.toml")
    model = make_collision_model(robot)
    assert model.link == ("base", "lower")
    assert model.pairs.tolist() == [[0, 1]]
    assert model.margin == 0.01
    assert model.source == "given in the robot's TOML"
    text = (tmp_path / "arm.toml").read_text()
    (tmp_path / "arm.toml").write_text(text + 'ignore = [["base", "lower"]]\n')
    assert len(make_collision_model(Robot.load(tmp_path / "arm.toml")).pairs) == 0
