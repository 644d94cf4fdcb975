"""Another robot in a minute: draft its file from its URDF, see what the check says, and move it as a person moved.

    python examples/05_retarget_to_a_new_robot.py [EPISODE] [FOLDER] [URDF]

Without a URDF it makes one: optimus with numbers for names, so that everything about it has to be found from its shape. The file that it drafts is
yours to correct: `bodydouble robots check` judges it, and `bodydouble retarget MOTION --robot FOLDER/NAME.toml` uses it.
"""

import re
import sys
from collections import Counter
from pathlib import Path

import numpy as np

from bodydouble.datasets import read_episode
from bodydouble.retarget import Robot, retarget
from bodydouble.retarget.drafting import draft_robot
from bodydouble.retarget.robot_check import check_robot


def nameless(folder: Path) -> Path:
    """Write optimus' URDF with its links and joints numbered."""
    text = Robot.load("optimus").urdf_path.read_text(encoding="utf-8")
    named = re.compile(r'(<(?:link|joint) name=|<(?:parent|child) link=)"(\w+)"')
    numbers = {name: i for i, name in enumerate(dict.fromkeys(name for _, name in named.findall(text)))}
    text = named.sub(lambda found: f'{found[1]}"part{numbers[found[2]]}"', text)
    path = folder / "stranger.urdf"
    path.write_text(text, encoding="utf-8")
    return path


def main(episode: Path, folder: Path, urdf: Path | None = None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    urdf = urdf or nameless(folder)
    draft = draft_robot(urdf, beside=folder)
    toml = folder / f"{draft.name}.toml"
    toml.write_text(draft.text, encoding="utf-8")
    print(f"{toml.name}: human parts found {', '.join(f'by {how} {count}' for how, count in draft.counts.items())}")
    print("\n".join(f"  {remark}" for remark in draft.remarks))

    checks = check_robot(toml)
    print("check: " + ", ".join(f"{count} {verdict}" for verdict, count in Counter(check.verdict for check in checks).items()))
    print("\n".join(f"  {check.verdict} {check.name}: {check.found}" for check in checks if check.verdict != "PASS"))

    robot = Robot.load(toml)
    motion = retarget(read_episode(episode).motion, robot)
    print(
        f"{robot.name}: {len(robot.joint_names)} joints followed {len(motion.times_s)} frames at {motion.solver['frames_per_second']:.0f} a second"
    )
    for task in ("left_palm_position", "right_palm_position", "left_index_tip_position"):
        print(f"  {task}: {1e3 * np.nanmedian(motion.task_errors[task]):.1f} mm")


if __name__ == "__main__":
    defaults = [Path("demo/episode.h5"), Path("build/new_robot")]
    given = [Path(argument) for argument in sys.argv[1:]]
    main(*given, *defaults[len(given) :])
