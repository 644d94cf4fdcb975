"""Pictures of where each landmark is tabled on the simulated body, for a person to check: ``docs/landmarks.jpg``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bodydouble.atomic import write_atomically
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES
from bodydouble.hand_pose.simulation.body import Body
from bodydouble.hand_pose.simulation.hand_posture import HandFrame

FloatArray = npt.NDArray[np.float64]
RgbImage = npt.NDArray[np.uint8]

_TILE_PX = 150
_COLUMNS = 9
_CLOSE_M, _FAR_M = 0.075, 0.22
"""Half the side of a picture, of face, hands and feet, and of the rest."""
_FAR = ("shoulder", "elbow", "hip", "knee", "wrist", "ankle")


def landmark_pictures(body: Body) -> RgbImage:
    """Return one picture (H, W, 3) with every landmark of the left side and the midline: two views each, a cross at the landmark.

    Body from the front and from its left; hand from its palm and from the thumb's side. A cross is drawn over what hides it: joint centres lie in flesh.
    """
    import cv2
    import open3d

    o3d: Any = open3d
    scene = o3d.t.geometry.RaycastingScene()
    scene.add_triangles(o3d.core.Tensor(body.vertices.copy()), o3d.core.Tensor(body.triangles.astype(np.uint32)))
    hand = HandFrame.of(body, "L").R_hand_rest
    views_of_hand = [(hand[1], hand[0]), (-hand[2], hand[0])]
    views_of_body = [(np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0])), (np.array([-1.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0]))]
    tiles = []
    for row, name in enumerate(LANDMARK_NAMES):
        if name.startswith("right_") or name == "mouth_right":
            continue
        is_hand = name.startswith("left_hand_") or name in ("left_pinky", "left_index", "left_thumb")
        half = _FAR_M if name.removeprefix("left_") in _FAR else _CLOSE_M
        views = [_view(scene, body.landmarks[row], half, right, up) for right, up in (views_of_hand if is_hand else views_of_body)]
        tile = np.vstack([np.full((22, 2 * _TILE_PX, 3), 255, np.uint8), np.hstack(views)])
        cv2.putText(tile, name, (4, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
        tiles.append(tile)
    blank = np.full_like(tiles[0], 255)
    tiles += [blank] * (-len(tiles) % _COLUMNS)
    return np.vstack([np.hstack(tiles[k : k + _COLUMNS]) for k in range(0, len(tiles), _COLUMNS)])


def _view(scene: Any, center: FloatArray, half: float, right: FloatArray, up: FloatArray) -> RgbImage:
    """Return a parallel projection of the surroundings of a point, with a cross on it."""
    import open3d

    o3d: Any = open3d
    into = np.cross(up, right)
    place = (np.arange(_TILE_PX) + 0.5) / _TILE_PX * 2 - 1
    u, v = np.meshgrid(place * half, -place * half)
    # From just outside of the limb, not from afar: nothing else of the body may stand before it.
    origins = center + u[..., None] * right + v[..., None] * up - into * min(half * 1.2, 0.16)
    rays = np.concatenate([origins, np.broadcast_to(into, origins.shape)], axis=-1).astype(np.float32)
    hit = scene.cast_rays(o3d.core.Tensor(rays))
    light = np.clip(hit["primitive_normals"].numpy() @ (0.6 * up - 0.7 * into - 0.4 * right), 0.0, 1.0)
    grey = np.where(np.isfinite(hit["t_hit"].numpy()), 70 + 170 * light, 255)
    image = np.repeat(grey[..., None], 3, axis=2).astype(np.uint8)
    middle = _TILE_PX // 2
    image[middle, middle - 8 : middle + 9] = image[middle - 8 : middle + 9, middle] = (220, 0, 0)
    return image


def write_pictures(path: Path, seed: int = 1) -> None:
    """Write the pictures of one simulated person as a JPEG file."""
    import cv2

    from bodydouble.hand_pose.simulation.person import make_person

    image = landmark_pictures(make_person(seed))
    done, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 82])
    if not done:
        raise ValueError("the picture could not be encoded")
    write_atomically(path, data.tobytes())


if __name__ == "__main__":
    write_pictures(Path("docs/landmarks.jpg"))
