"""Draws the icon: a stack of slices, two of them painted, the structure's volume between them.

    python Resources/draw_icon.py

Needs Pillow, which the demo and test extras bring. Everything is drawn four times too large and
reduced, which makes smooth edges.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw

ROOT = Path(__file__).resolve().parents[1]
TARGETS = (
    ROOT / "Resources" / "ContrastiveSeg.png",
    ROOT / "ContrastiveSeg" / "Resources" / "Icons" / "ContrastiveSeg.png",
)
SIZE = 128
OVERSAMPLING = 4
SLATE = (38, 56, 84)
PAPER = (214, 224, 238)
ORANGE = (255, 138, 30)
SOFT_ORANGE = (255, 176, 92)

HALF_WIDTH, HALF_HEIGHT = 56, 25
"""Of a slice, seen slanted from above as a rhombus."""
CENTRES = (96, 64, 32)
"""Height of each slice in the picture, the lowest slice first."""


def draw() -> Image.Image:
    """The icon, 128x128 RGBA."""
    image = Image.new("RGBA", (SIZE * OVERSAMPLING,) * 2, (0, 0, 0, 0))
    for number, centre in enumerate(CENTRES):
        painted = number != 1
        _slice(image, centre)
        _blob(image, centre, 25 if number == 0 else 27, ORANGE if painted else SOFT_ORANGE, painted)
    return image.resize((SIZE, SIZE), Image.Resampling.LANCZOS)


def _slice(image: Image.Image, centre: float) -> None:
    """One slice: a sheet with a dark edge, slightly see-through."""
    corners = [(64, centre - HALF_HEIGHT), (64 + HALF_WIDTH, centre), (64, centre + HALF_HEIGHT)]
    corners.append((64 - HALF_WIDTH, centre))
    points = [_scaled(*corner) for corner in corners]
    layer = Image.new("RGBA", image.size, (0, 0, 0, 0))
    pen = ImageDraw.Draw(layer)
    pen.polygon(points, fill=(*PAPER, 235))
    pen.line([*points, points[0], points[1]], fill=(*SLATE, 255), width=5 * OVERSAMPLING, joint="curve")
    image.alpha_composite(layer)


def _blob(
    image: Image.Image, centre: float, radius: float, colour: tuple[int, int, int], painted: bool
) -> None:
    """The structure on a slice: filled where it was painted, a ring where it is predicted."""
    layer = Image.new("RGBA", image.size, (0, 0, 0, 0))
    pen = ImageDraw.Draw(layer)
    box = [*_scaled(64 - radius, centre - radius * 0.45), *_scaled(64 + radius, centre + radius * 0.45)]
    if painted:
        pen.ellipse(box, fill=(*colour, 255))
    else:
        pen.ellipse(box, outline=(*colour, 255), width=6 * OVERSAMPLING)
    image.alpha_composite(layer)


def _scaled(x: float, y: float) -> tuple[float, float]:
    return x * OVERSAMPLING, y * OVERSAMPLING


def main() -> None:
    """Writes the icon to the extension's and to the module's place."""
    icon = draw()
    for target in TARGETS:
        target.parent.mkdir(parents=True, exist_ok=True)
        icon.save(target, optimize=True)


if __name__ == "__main__":
    main()
