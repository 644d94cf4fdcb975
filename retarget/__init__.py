"""Stage four: a person's motion becomes a robot's, within the robot's limits."""

from bodydouble.retarget.limits import limit_violations
from bodydouble.retarget.retargeting import retarget
from bodydouble.retarget.robot import Robot, robot_names
from bodydouble.retarget.trajectory import RobotTrajectory

__all__ = ["Robot", "RobotTrajectory", "limit_violations", "retarget", "robot_names"]
