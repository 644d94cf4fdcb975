"""The Pinocchio model of a Description: all joints independent, a free-flyer first where the base moves."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pinocchio as pin

from bodydouble.retarget.description import Description, Joint, Link

FloatArray = npt.NDArray[np.float64]

UNLIMITED = 1e300
"""Stands for a limit that the file does not give; such joints are refused or given one later."""


def build_model(description: Description, *, floating: bool, mount: FloatArray | None = None) -> Any:
    """Return the pinocchio.Model of a robot: the same joints, frames and order as Pinocchio's own URDF reader gives, without its geometry.

    ``mount``: rotation (3, 3) of the root link in the base frame.

    Building it from the description rather than from the file is what lets one path serve URDF and MJCF, and why meshes, mimic joints
    and continuous joints don't matter here.
    """
    model = pin.Model()
    model.name = description.name
    # Each link: the joint that carries it, its pose in that joint's frame, and the frame that its own frame hangs on.
    if floating:
        base = model.addJoint(0, pin.JointModelFreeFlyer(), pin.SE3.Identity(), "root_joint")
        frame = model.addJointFrame(base)
    else:
        base, frame = 0, 0
    stands = pin.SE3.Identity() if mount is None else pin.SE3(mount, np.zeros(3))
    carried = {description.root: (base, stands, frame)}
    _add_body(model, description.links[description.root], carried)
    for joint in description.joints:
        parent, pose, frame = carried[joint.parent]
        placement = pose * pin.SE3(joint.pose)
        if joint.kind == "fixed":
            frame = model.addFrame(pin.Frame(joint.name, parent, frame, placement, pin.FrameType.FIXED_JOINT), False)
            carried[joint.child] = (parent, placement, frame)
        else:
            lower, upper, velocity, effort = (
                np.array([value if np.isfinite(value) else wide])
                for value, wide in (
                    (joint.lower, -UNLIMITED),
                    (joint.upper, UNLIMITED),
                    (joint.velocity, UNLIMITED),
                    (joint.effort, UNLIMITED),
                )
            )
            index = model.addJoint(parent, _joint_model(joint), placement, joint.name, effort, velocity, lower, upper)
            frame = model.addJointFrame(index, frame)
            carried[joint.child] = (index, pin.SE3.Identity(), frame)
        _add_body(model, description.links[joint.child], carried)
    return model


def add_point(model: Any, name: str, link: str, at: tuple[float, float, float]) -> None:
    """Add a named frame at a place (m) of a link: a point that the file has no link for, such as a fingertip."""
    frame = model.getFrameId(link, pin.FrameType.BODY)
    parent = model.frames[frame]
    placement = parent.placement * pin.SE3(np.eye(3), np.array(at, dtype=np.float64))
    model.addFrame(pin.Frame(name, parent.parentJoint, frame, placement, pin.FrameType.BODY), False)


def _add_body(model: Any, link: Link, carried: dict[str, tuple[int, Any, int]]) -> None:
    joint, pose, frame = carried[link.name]
    if np.isfinite(link.mass):
        model.appendBodyToJoint(joint, pin.Inertia(link.mass, link.centre, _possible(link.inertia)), pose)
    body = model.addFrame(pin.Frame(link.name, joint, frame, pose, pin.FrameType.BODY), False)
    carried[link.name] = (joint, pose, body)


def _possible(inertia: FloatArray) -> FloatArray:
    """Return an inertia (3, 3) that Pinocchio takes: the same, or, where the file gives one that no body has, the nearest without negative moments."""
    moments, axes = np.linalg.eigh((inertia + inertia.T) / 2)
    if moments[0] >= 0:
        return inertia
    nearest: FloatArray = (axes * np.clip(moments, 0, None)) @ axes.T
    return nearest + 1e-12 * np.eye(3)


def _joint_model(joint: Joint) -> Any:
    hinges = (pin.JointModelRX, pin.JointModelRY, pin.JointModelRZ)
    slides = (pin.JointModelPX, pin.JointModelPY, pin.JointModelPZ)
    for i, (hinge, slide) in enumerate(zip(hinges, slides, strict=True)):
        if np.array_equal(joint.axis, np.eye(3)[i]):
            return hinge() if joint.kind == "revolute" else slide()
    return pin.JointModelRevoluteUnaligned(joint.axis) if joint.kind == "revolute" else pin.JointModelPrismaticUnaligned(joint.axis)
