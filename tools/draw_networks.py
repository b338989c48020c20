"""Draw the diagrams of the page on networks, as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"

INK, PAPER = "#1f2933", "#ffffff"
CONVOLUTION, SWIN, CROSSED, SOURCE = "#dbeafe", "#dcfce7", "#fde68a", "#f1f5f9"
HEIGHT = 54


class Drawing:
    """Boxes, arrows and words, collected as SVG."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self._size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        self._title = title
        self._parts: list[str] = []

    def box(self, x: float, y: float, width: float, text: str, fill: str, height: float = HEIGHT) -> None:
        """Draw a box whose upper left corner is (x, y), with lines of text in its middle."""
        self._parts.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6" fill="{fill}" stroke="{INK}"/>'
        )
        self.words(x + width / 2, y + height / 2, text)

    def words(self, x: float, y: float, text: str, size: int = 13) -> None:
        """Write lines of text around the middle (x, y)."""
        lines = text.split("\n")
        for i, line in enumerate(lines):
            offset = (i - (len(lines) - 1) / 2) * (size + 4) + size / 3
            self._parts.append(
                f'<text x="{x}" y="{y + offset:.1f}" font-size="{size}" text-anchor="middle">{escape(line)}</text>'
            )

    def arrow(self, *points: tuple[float, float]) -> None:
        """Draw level and upright lines through the points, with a head at the last."""
        path = " ".join(f"{x},{y}" for x, y in points)
        self._parts.append(f'<polyline points="{path}" fill="none" stroke="{INK}"/>')
        (x0, y0), (x, y) = points[-2:]
        # Back along the line by 7 px, and 3 px to either side.
        back = (7 * ((x < x0) - (x > x0)), 7 * ((y < y0) - (y > y0)))
        side = (3 * bool(back[1]), 3 * bool(back[0]))
        corners = [(x, y), *((x + back[0] + sign * side[0], y + back[1] + sign * side[1]) for sign in (1, -1))]
        head = " ".join(f"{corner[0]},{corner[1]}" for corner in corners)
        self._parts.append(f'<polygon points="{head}" fill="{INK}"/>')

    def grid(self, x: float, y: float, side: float, lines: Sequence[float], fill: str) -> None:
        """Draw a square with lines across it both ways, at the given parts of its side."""
        self._parts.append(f'<rect x="{x}" y="{y}" width="{side}" height="{side}" fill="{fill}" stroke="{INK}"/>')
        for part in lines:
            at = part * side
            for x0, y0, x1, y1 in ((x + at, y, x + at, y + side), (x, y + at, x + side, y + at)):
                self._parts.append(f'<line x1="{x0}" y1="{y0}" x2="{x1}" y2="{y1}" stroke="{INK}"/>')

    def save(self, path: Path) -> None:
        """Write the file."""
        text = "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" {self._size} font-family="sans-serif" fill="{INK}">',
                f"<title>{escape(self._title)}</title>",
                f'<rect width="100%" height="100%" fill="{PAPER}"/>',
                *self._parts,
                "</svg>",
            ]
        )
        path.write_text(text + "\n", encoding="utf-8")


def swinfusion() -> Drawing:
    """Return the way of two sources through SwinFusion, and how its windows lie."""
    drawing = Drawing(1060, 420, "SwinFusion: two sources meet in crossed window attention")
    rows = (50, 160)
    middle = (rows[0] + rows[1]) / 2
    for y, name in zip(rows, "AB", strict=True):
        drawing.box(20, y, 80, f"source {name}", SOURCE)
        drawing.box(130, y, 100, "2 convolutions\n3 × 3", CONVOLUTION)
        drawing.box(260, y, 110, "Swin blocks\n× 4", SWIN)
        drawing.box(410, y, 100, "Swin blocks\n× 2", SWIN)
        drawing.box(560, y, 110, f"{name} asks {'BA'['AB'.index(name)]}\n× 2", CROSSED)
        line = y + HEIGHT / 2
        for x0, x1 in ((100, 130), (230, 260), (370, 410), (510, 560)):
            drawing.arrow((x0, line), (x1, line))
    # Keys and values from the other source.
    drawing.arrow((525, rows[0] + HEIGHT / 2), (525, middle + 12), (590, middle + 12), (590, rows[1]))
    drawing.arrow((540, rows[1] + HEIGHT / 2), (540, middle + 42), (630, middle + 42), (630, rows[0] + HEIGHT))
    drawing.words(540, 26, "these two kinds of blocks, twice in turn")
    drawing.arrow((670, rows[0] + HEIGHT / 2), (745, rows[0] + HEIGHT / 2), (745, middle))
    drawing.arrow((670, rows[1] + HEIGHT / 2), (745, rows[1] + HEIGHT / 2), (745, middle + HEIGHT))
    drawing.box(700, middle, 90, "merge\n3 × 3", CONVOLUTION)
    drawing.box(820, middle, 100, "Swin blocks\n× 4", SWIN)
    drawing.box(950, middle, 90, "upsampler", CONVOLUTION)
    for x0, x1 in ((790, 820), (920, 950)):
        drawing.arrow((x0, middle + HEIGHT / 2), (x1, middle + HEIGHT / 2))
    drawing.arrow((995, middle + HEIGHT), (995, middle + HEIGHT + 36))
    drawing.words(995, middle + HEIGHT + 56, "image, or the\nshare of A and B")
    drawing.words(120, 250, "a Swin block, and its windows:")
    y = 300
    steps = (("norm", 70), ("attention in\nwindows", 110), ("+", 30), ("norm", 70), ("MLP", 70), ("+", 30))
    x = 40.0
    drawing.arrow((12, y + HEIGHT / 2), (x, y + HEIGHT / 2))
    for i, (name, width) in enumerate(steps):
        fill = PAPER if name == "+" else SWIN
        drawing.box(x, y, width, name, fill)
        drawing.arrow((x + width, y + HEIGHT / 2), (x + width + 24, y + HEIGHT / 2))
        if name == "+":
            # The way past the branch.
            start = x - (24 * 2 + steps[i - 2][1] + steps[i - 1][1] + 12)
            drawing.arrow((start, y + HEIGHT / 2), (start, y - 18), (x + width / 2, y - 18), (x + width / 2, y))
        x += width + 24
    drawing.grid(610, 270, 112, (0.25, 0.5, 0.75), SWIN)
    drawing.grid(860, 270, 112, (0.125, 0.375, 0.625, 0.875), SWIN)
    drawing.words(666, 398, "odd blocks: windows in place")
    drawing.words(916, 398, "even blocks: shifted by half")
    return drawing


if __name__ == "__main__":
    swinfusion().save(IMAGES / "swinfusion.svg")
