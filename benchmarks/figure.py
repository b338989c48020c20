"""The figure of the page on quality: PSNR by preset and light, one mark a method."""

from __future__ import annotations

from typing import Any

from PIL import Image, ImageDraw, ImageFont

from napari_swinfusion.decide.registry import COMPARATORS

SCALE = 2  # drawn larger, then halved: smooth marks
PANEL, HEIGHT, LEFT, TOP, GAP, FOOT = 450, 280, 40, 70, 40, 60
COLUMNS = 2
INK, PALE, PAPER = (34, 38, 44), (214, 218, 224), (255, 255, 255)
NETWORKS = ((200, 40, 40), (235, 130, 30), (150, 60, 160))
OTHERS = {
    "mean": (120, 125, 135),
    "middle-plane": (185, 190, 198),
    "tenengrad-argmax": (40, 110, 190),
    "tenengrad-guided": (70, 170, 205),
    "laplacian-pyramid": (40, 150, 90),
    "dct-variance": (150, 175, 60),
}

Points = dict[str, dict[str, float]]


def draw_figure(simulated: dict[str, Any]) -> Image.Image:
    """Return one panel a light level; in each a column a preset, PSNR upwards, a mark a method."""
    levels = {level: found["psnr by preset"] for level, found in simulated["levels"].items()}
    networks = list(next(iter(simulated["levels"].values()))["lead"])
    colours = OTHERS | dict(zip(networks, NETWORKS, strict=False))
    measured = next(iter(levels.values()))
    shown = [name for name in (*COMPARATORS, *networks[: len(NETWORKS)]) if name in measured]
    values = [value for points in levels.values() for name in shown for value in points[name].values()]
    low, high = 5 * (min(values) // 5), 5 * (max(values) // 5 + 1)
    lines = -(-len(levels) // COLUMNS)
    width, height = LEFT + COLUMNS * (PANEL + GAP), TOP + lines * (HEIGHT + FOOT)
    figure = Image.new("RGB", (width * SCALE, height * SCALE), PAPER)
    pen = _Pen(figure, low, high)
    pen.legend({name: colours[name] for name in shown})
    for number, (level, points) in enumerate(levels.items()):
        line, column = divmod(number, COLUMNS)
        place = (LEFT + column * (PANEL + GAP), TOP + line * (HEIGHT + FOOT))
        pen.panel(place, _light(level), {name: points[name] for name in shown}, colours)
    return figure.resize((width, height), Image.Resampling.LANCZOS)


class _Pen:
    """Draws in units of the finished figure."""

    def __init__(self, figure: Image.Image, low: float, high: float) -> None:
        self._draw = ImageDraw.Draw(figure)
        self._low, self._high = low, high

    def legend(self, colours: dict[str, tuple[int, int, int]]) -> None:
        x = float(LEFT)
        for name, colour in colours.items():
            self._mark(x, 18, colour)
            x += 10 + self._text((x + 10, 18), name, "lm", 13) + 22

    def panel(
        self, corner: tuple[float, float], title: str, points: Points, colours: dict[str, tuple[int, int, int]]
    ) -> None:
        x, y = corner
        self._text((x + PANEL / 2, y - 14), title, "mm", 14)
        for level in range(int(self._low), int(self._high) + 1, 5):
            at = y + self._down(level)
            self._line((x, at), (x + PANEL, at))
            self._text((x - 6, at), f"{level}", "rm", 11)
        presets = list(next(iter(points.values())))
        step = PANEL / len(presets)
        for place, preset in enumerate(presets):
            middle = x + (place + 0.5) * step
            for line, word in enumerate(preset.split("-", 1)):
                self._text((middle, y + HEIGHT + 10 + 12 * line), word, "mm", 10)
            for number, (name, found) in enumerate(points.items()):
                sideways = (number / (len(points) - 1) - 0.5) * 0.65 * step
                self._mark(middle + sideways, y + self._down(found[preset]), colours[name])

    def _down(self, value: float) -> float:
        """Return how far below the top of a panel a value lies."""
        return HEIGHT * (self._high - value) / (self._high - self._low)

    def _mark(self, x: float, y: float, colour: tuple[int, int, int]) -> None:
        box = [(x - 4) * SCALE, (y - 4) * SCALE, (x + 4) * SCALE, (y + 4) * SCALE]
        self._draw.ellipse(box, fill=colour)

    def _line(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        self._draw.line([start[0] * SCALE, start[1] * SCALE, end[0] * SCALE, end[1] * SCALE], fill=PALE, width=SCALE)

    def _text(self, place: tuple[float, float], text: str, anchor: str, size: int) -> float:
        font = ImageFont.load_default(size * SCALE)
        self._draw.text((place[0] * SCALE, place[1] * SCALE), text, INK, font, anchor)
        return self._draw.textlength(text, font) / SCALE


def _light(level: str) -> str:
    return f"PSNR in dB, {int(level):,} photons" if level.isdecimal() else f"PSNR in dB, {level}"
