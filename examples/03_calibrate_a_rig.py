"""From pictures of a board to a calibration one can trust: lenses, places and clocks of cameras, checked on frames that the solver never saw.

    python examples/03_calibrate_a_rig.py [RECORDING BOARD.toml OUT]

Without arguments it finds the lenses of the real sample's four cameras from their stills of a checkerboard. With a recording in which a board is
moved before several cameras it calibrates the whole rig, and writes OUT/rig.toml and OUT/calibration_report.html.
"""

import sys
from pathlib import Path

import numpy as np

from bodydouble.assets import path_of
from bodydouble.calibration import Board, calibrate_rig, find_lens, lens_views, observe, views_of
from bodydouble.calibration.report.write import write_report
from bodydouble.capture import open_recording

CHECKERBOARD = Path(__file__).with_name("checkerboard.toml")


def lenses_of_the_sample() -> None:
    board = Board.load(CHECKERBOARD)
    for folder in sorted((path_of("pose2sim_single") / "calibration" / "intrinsics").iterdir()):
        seen = observe(open_recording(folder, stills=True), [board])
        lens = find_lens(lens_views(seen, views_of(seen), 0), seen.image_size[0])
        found = f"{lens.model.focal[0]:.1f} +- {lens.sigma[0]:.1f} px, {len(lens.views)} views, {lens.rms_px:.2f} px RMS"
        print(f"{seen.cameras[0]}: {lens.lens}, focal length {found}")


def whole_rig(recording: Path, board_file: Path, out: Path) -> None:
    seen = observe(open_recording(recording), [Board.load(board_file)])
    result = calibrate_rig(seen)
    for name, camera in result.rig.cameras.items():
        clock = 1e3 * camera.time_offset_s
        print(
            f"{name}: focal length {camera.model.focal[0]:.1f} px, at {np.round(camera.T_body_camera[:3, 3], 3)} m, clock {clock:+.1f} ms"
        )
    errors_mm = 1e3 * np.abs(result.held_out.distance_error_m)
    print(f"distances on the board, on {result.held_out.frames} unseen frames: half are within {np.median(errors_mm):.2f} mm")
    result.rig.save(out / "rig.toml")
    print(
        f"good enough for hands? {write_report(result, out, purpose='hands')}: {out / 'calibration_report.html'} says why, and what to film next"
    )


if __name__ == "__main__":
    if len(sys.argv) == 4:
        whole_rig(*map(Path, sys.argv[1:]))
    else:
        lenses_of_the_sample()
