"""Lines over a numeric axis: a rate over time, a speed by the size of chunks."""

from __future__ import annotations

from dataclasses import dataclass

from mlship.report.pictures.bars import Mark
from mlship.report.pictures.frame import ROW, SERIES, cut, dash, framed, legend, words
from mlship.report.pictures.scale import LEFT, PLOT, RIGHT, Axis, Scale, across, below, down, rules

_MOST_TOLD = 24  # points of a line that are told one by one, and have a dot
_WHOLE = 1000  # what the inner picture of a line measures in both directions


@dataclass(frozen=True)
class Line:
    """One series.

    Attributes:
        name: What it is.
        points: Its points (across, up), from left to right. One that is not finite, or not above 0 on a logarithmic
            axis, is a gap.
    """

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Lines:
    """A line chart.

    Attributes:
        title: What it shows.
        lines: Its series; of more than 6 the first are drawn, and the description says so.
        across: The axis from left to right.
        up: The axis that goes up; a linear one begins at 0.
        mark: A line from left to right, such as a limit, or None.
    """

    title: str
    lines: tuple[Line, ...]
    across: Axis
    up: Axis
    mark: Mark | None = None

    def description(self) -> str:
        """Return what is drawn, in words: every point of a short line, the span of a long one."""
        shown = self.lines[:SERIES]
        said = [f"{self.up.name} by {self.across.name}."]
        said += [self._told(line) for line in shown]
        if self.mark:
            said.append(f"Line: {self.mark.name}.")
        if len(self.lines) > len(shown):
            said.append(f"{len(self.lines) - len(shown)} more series are not drawn.")
        return " ".join(said)

    def _told(self, line: Line) -> str:
        name = line.name or "Points"
        points = [point for point in line.points if self._placed(point)]
        if not points:
            return f"{name}: nothing to show."
        texts = [(self.across.text(x), self.up.text(y)) for x, y in points]
        gaps = f", and {len(line.points) - len(points)} without a figure" if len(points) < len(line.points) else ""
        if len(points) <= _MOST_TOLD:
            return f"{name}: {', '.join(f'{y} at {x}' for x, y in texts)}{gaps}."
        low = min(range(len(points)), key=lambda place: points[place][1])
        high = max(range(len(points)), key=lambda place: points[place][1])
        return (
            f"{name}: {len(points)} points from {texts[0][1]} at {texts[0][0]} to {texts[-1][1]} at {texts[-1][0]}, "
            f"lowest {texts[low][1]} at {texts[low][0]}, highest {texts[high][1]} at {texts[high][0]}{gaps}."
        )

    def to_svg(self, name: str) -> str:
        """Return the picture as an SVG element.

        Args:
            name: A name that no other picture of the page has.
        """
        shown = self.lines[:SERIES]
        key, top = legend([line.name for line in shown], lines=True)
        top += ROW + 4
        points = [point for line in shown for point in line.points if self._placed(point)]
        xs = Scale(self.across, [x for x, _ in points])
        ys = Scale(self.up, [*(y for _, y in points), *([self.mark.value] if self.mark else [])], zero=True)
        if not points:
            nothing = words(0, top, "Nothing to show.")
            return framed(name, (self.title, self.description()), top + ROW, key + nothing)
        drawn = [key, rules(ys, top), below(xs, top)]
        drawn += [_line(place, line, xs, ys, top) for place, line in enumerate(shown)]
        if self.mark and (height := ys.place(self.mark.value)) is not None:
            y = down(height, top)
            drawn.append(f'<line x1="{LEFT}%" y1="{y:g}" x2="{RIGHT}%" y2="{y:g}" class="mark"/>\n')
            drawn.append(words(RIGHT, y - 5, cut(self.mark.name, 24), 'text-anchor="end" class="small over"'))
        return framed(name, (self.title, self.description()), top + PLOT + 2 * ROW + 6, "".join(drawn))

    def _placed(self, point: tuple[float, float]) -> bool:
        """Tell whether a point lies on both axes."""
        return Scale(self.across, ()).place(point[0]) is not None and Scale(self.up, ()).place(point[1]) is not None


def _line(place: int, line: Line, xs: Scale, ys: Scale, top: float) -> str:
    pieces: list[list[tuple[float, float]]] = [[]]
    for x, y in line.points:
        left, height = xs.place(x), ys.place(y)
        if left is None or height is None:
            pieces.append([])
        else:
            pieces[-1].append((left, height))
    drawn = [
        f'<polyline points="{" ".join(f"{x * _WHOLE:.1f},{(1 - y) * _WHOLE:.1f}" for x, y in piece)}" '
        f'class="line line{place}"{dash(place)} vector-effect="non-scaling-stroke"/>'
        for piece in pieces
        if len(piece) > 1
    ]
    inner = (
        f'<svg x="{LEFT}%" y="{top}" width="{RIGHT - LEFT}%" height="{PLOT}" viewBox="0 0 {_WHOLE} {_WHOLE}" '
        f'preserveAspectRatio="none" overflow="visible">{"".join(drawn)}</svg>\n'
    )
    short = sum(map(len, pieces)) <= _MOST_TOLD
    dots = "".join(
        f'<circle cx="{across(x)}%" cy="{down(y, top):g}" r="3.5" class="fill{place}"/>\n'
        for piece in pieces
        for x, y in piece
        if short or len(piece) == 1
    )
    return (inner if drawn else "") + dots
