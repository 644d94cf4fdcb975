"""How a simulated recording looks: the person's colours, and what light and sensor do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.hand_pose.simulation.moment import Part

Colour = tuple[int, int, int]

_SKIN: tuple[Colour, ...] = ((236, 188, 160), (222, 170, 138), (205, 150, 116), (182, 126, 92), (146, 98, 70))
_HAIR: tuple[Colour, ...] = ((46, 34, 28), (84, 58, 38), (32, 30, 32), (120, 88, 54))
_SHIRTS: tuple[Colour, ...] = ((64, 92, 140), (120, 58, 58), (70, 104, 78), (120, 122, 126), (58, 60, 70))
_TROUSERS: tuple[Colour, ...] = ((52, 56, 76), (92, 84, 70), (48, 50, 52))
_SHOES: Colour = (58, 52, 48)
_GLOVES: tuple[Colour, ...] = ((206, 180, 150), (196, 120, 40), (158, 130, 102))  # leathers: hands in dark or blue gloves are never found


@dataclass(frozen=True)
class Look:
    """Colours and options of a simulated recording. Colours are sRGB, 0 to 255."""

    skin: Colour = _SKIN[1]
    hair: Colour = _HAIR[0]
    shirt: Colour = _SHIRTS[0]
    trousers: Colour = _TROUSERS[0]
    shoes: Colour = _SHOES
    helmet: Colour = (225, 225, 222)
    gloves: Colour | None = None
    """Colour of the gloves; None for bare hands."""
    shadows: bool = False
    """Cast by the key light, on everything."""
    noise: float = 2.0
    """One standard deviation of a sensor's noise, of 255; 0 for none."""
    exposure: float = 0.04
    """One standard deviation, relative, of the brightness from frame to frame; 0 for none."""
    seed: int = 0
    """Decides the sensors' noise and exposure."""

    @classmethod
    def of_seed(cls, seed: int, *, gloves: bool = False, shadows: bool = False, noise: float = 2.0, exposure: float = 0.04) -> Look:
        """Return a look whose colours the seed chooses."""
        rng = np.random.default_rng([seed, 71])

        def choose(colours: tuple[Colour, ...]) -> Colour:
            return colours[int(rng.integers(len(colours)))]

        skin, hair, shirt, trousers, gloved = map(choose, (_SKIN, _HAIR, _SHIRTS, _TROUSERS, _GLOVES))
        return cls(
            skin=skin, hair=hair, shirt=shirt, trousers=trousers, gloves=gloved if gloves else None, shadows=shadows, noise=noise,
            exposure=exposure, seed=seed,
        )  # fmt: skip

    def of_parts(self) -> npt.NDArray[np.float32]:
        """Return the colour (10, 3) of every ``Part``."""
        hands = self.skin if self.gloves is None else self.gloves
        colours = {
            Part.HEAD: self.skin, Part.TORSO: self.shirt, Part.LEFT_ARM: self.shirt, Part.RIGHT_ARM: self.shirt, Part.LEFT_HAND: hands,
            Part.RIGHT_HAND: hands, Part.LEFT_LEG: self.trousers, Part.RIGHT_LEG: self.trousers, Part.LEFT_FOOT: self.shoes,
            Part.RIGHT_FOOT: self.shoes,
        }  # fmt: skip
        return np.array([colours[part] for part in Part], dtype=np.float32)
