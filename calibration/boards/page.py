"""A sheet to print, in millimetres, and how it becomes a PDF or a PNG of exactly that size."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.boards.pattern import cover
from bodydouble.frozen_arrays import freeze_arrays

FloatArray = npt.NDArray[np.float64]

_POINTS_A_MM = 72 / 25.4


@dataclass(frozen=True)
class Text:
    """A line of text; ``x`` and ``y`` are the left end of its baseline, ``size`` the height of the font, all in mm."""

    x: float
    y: float
    size: float
    text: str


@dataclass(frozen=True)
class Fill:
    """Black rectangles (N, 4) that do not overlap: left, bottom, right, top in mm from the lower left corner; ``holes`` (M, 4) lie in them."""

    black: FloatArray
    holes: FloatArray = field(default_factory=lambda: np.zeros((0, 4)))

    def __post_init__(self) -> None:
        freeze_arrays(self, {"black": ((len(self.black), 4), np.float64), "holes": ((len(self.holes), 4), np.float64)})


@dataclass(frozen=True)
class Page:
    """One side of a sheet."""

    width: float
    """mm"""
    height: float
    fills: tuple[Fill, ...]
    texts: tuple[Text, ...]


def pdf_of(pages: list[Page], title: str) -> bytes:
    """Return a PDF 1.4 file: rectangles as vectors, text in Helvetica, and the request to viewers not to scale when they print."""
    objects: dict[int, bytes] = {}
    kids = []
    for k, page in enumerate(pages):
        number = 5 + 2 * k
        kids.append(f"{number} 0 R")
        size = f"{page.width * _POINTS_A_MM:.6f} {page.height * _POINTS_A_MM:.6f}"
        objects[number] = (
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {size}] /Resources << /Font << /F1 3 0 R >> >> /Contents {number + 1} 0 R >>".encode()
        )
        stream = zlib.compress(_drawing(page).encode("latin-1", "replace"), 9)
        objects[number + 1] = b"<< /Length %d /Filter /FlateDecode >>\nstream\n%b\nendstream" % (len(stream), stream)
    objects[1] = b"<< /Type /Catalog /Pages 2 0 R /ViewerPreferences << /PrintScaling /None >> >>"
    objects[2] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(pages)} >>".encode()
    objects[3] = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
    objects[4] = f"<< /Title ({_escaped(title)}) /Creator (bodydouble) >>".encode("latin-1", "replace")
    body = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    places = []
    for number in sorted(objects):
        places.append(len(body))
        body += b"%d 0 obj\n%b\nendobj\n" % (number, objects[number])
    start = len(body)
    body += b"xref\n0 %d\n0000000000 65535 f \n" % (len(places) + 1)
    for place in places:
        body += b"%010d 00000 n \n" % place
    body += b"trailer\n<< /Size %d /Root 1 0 R /Info 4 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(places) + 1, start)
    return bytes(body)


def page_image(page: Page, dpi: float) -> npt.NDArray[np.uint8]:
    """Return the page as a grey image (H, W) with ``dpi`` pixels an inch, every pixel the mean over its area."""
    import cv2

    scale = dpi / 25.4
    height, width = round(page.height * scale), round(page.width * scale)
    dark = np.zeros((height, width), dtype=np.float32)
    for fill in page.fills:
        for rectangles, sign in ((fill.black, 1.0), (fill.holes, -1.0)):
            for left, bottom, right, top in rectangles:
                cover(dark, left * scale, right * scale, height - top * scale, height - bottom * scale, sign)
    image = np.rint(255 * (1 - dark)).clip(0, 255).astype(np.uint8)
    for text in page.texts:
        place = (round(text.x * scale), round(height - text.y * scale))
        thick = max(1, round(text.size * scale / 12))
        cv2.putText(image, text.text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.7 * text.size * scale / 22, 0, thick, cv2.LINE_AA)
    return image


def png_of(image: npt.NDArray[np.uint8], dpi: float) -> bytes:
    """Return a grey PNG that says how many pixels an inch it has, which ``cv2.imwrite`` does not."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width = image.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), image], axis=1).tobytes()  # each row begins with its filter: none
    per_metre = round(dpi / 0.0254)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)),
            chunk(b"pHYs", struct.pack(">IIB", per_metre, per_metre, 1)),
            chunk(b"IDAT", zlib.compress(rows, 6)),
            chunk(b"IEND", b""),
        ]
    )


def _drawing(page: Page) -> str:
    """Return the page's PDF operators. All rectangles of a fill are one path, so that viewers show no seams between neighbours."""
    lines = [f"{_POINTS_A_MM:.9f} 0 0 {_POINTS_A_MM:.9f} 0 0 cm"]
    for fill in page.fills:
        for grey, rectangles in ((0, fill.black), (1, fill.holes)):
            if len(rectangles):
                boxes = (f"{left:.6f} {bottom:.6f} {right - left:.6f} {top - bottom:.6f} re" for left, bottom, right, top in rectangles)
                lines += [f"{grey} g", *boxes, "f"]
    lines.append("0 g")
    for text in page.texts:
        lines.append(f"BT /F1 {text.size:.4f} Tf {text.x:.4f} {text.y:.4f} Td ({_escaped(text.text)}) Tj ET")
    return "\n".join(lines)


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
