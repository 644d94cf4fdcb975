"""Episodes: the file that holds a demonstration, its quality and grade, and validation."""

from bodydouble.check import Check
from bodydouble.datasets.episode import Episode, RecordingInfo
from bodydouble.datasets.episode_file import read_episode, write_episode
from bodydouble.datasets.images import StoredImages
from bodydouble.datasets.quality import GRADES, grade, judge
from bodydouble.datasets.validate import validate_episode
from bodydouble.gates import Gate

__all__ = [
    "GRADES",
    "Check",
    "Episode",
    "Gate",
    "RecordingInfo",
    "StoredImages",
    "grade",
    "judge",
    "read_episode",
    "validate_episode",
    "write_episode",
]
