"""Motions that other systems captured: BVH, ASF+AMC, Qualisys TSV, NPY of named joints, and saved HumanMotion files, read as HumanMotion."""

from __future__ import annotations

from bodydouble.retarget.motions.reading import ReadMotion, read_motion

__all__ = ["ReadMotion", "read_motion"]
