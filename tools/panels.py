"""Draws the panels of a Grafana dashboard as one HTML page: rows, single numbers, and lines over time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from itertools import pairwise
from typing import Any

__all__ = ["HEIGHT", "WIDTH", "Series", "page"]

WIDTH = 1500
HEIGHT = 34
"""Pixels of one unit of the grid, which is 24 units wide."""

_GAP = 8
_COLORS = ("#2f7ed8", "#e8833a", "#3aa757", "#c2407a", "#7a5fd0", "#b8962e", "#1aa5a5", "#d64545", "#667788", "#5c8a2f")
_STAT_COLORS = {"green": "#1d8a46", "orange": "#c76a00", "red": "#c22f2f"}
_LEFT, _RIGHT, _TOP, _AXIS = 58, 12, 8, 20
_STYLE = """
* { box-sizing: border-box; } body { margin: 0; background: #f1f3f6; color: #1b2430; position: relative;
  font: 13px/1.35 "DejaVu Sans", sans-serif; }
.panel, .row { position: absolute; } .row { font-weight: 700; font-size: 14px; padding: 8px 4px 0; }
.panel { background: #fff; border: 1px solid #dfe4ea; border-radius: 4px; padding: 7px 10px; overflow: hidden; }
h3 { margin: 0; font-size: 13px; font-weight: 600; } .legend { font-size: 11px; line-height: 15px; color: #46525f; }
.legend span { display: inline-block; margin-right: 12px; } .legend i { display: inline-block; width: 11px; height: 3px;
  margin: 0 5px 3px 0; vertical-align: middle; }
.stat { font-size: 28px; font-weight: 650; text-align: center; padding-top: 18px; line-height: 1.25; }
.stat small { font-size: 12px; font-weight: 400; color: #5d6b7c; margin-right: 8px; } .stat.many { font-size: 20px; }
text { font-size: 10.5px; fill: #5d6b7c; } .none { color: #5d6b7c; text-align: center; padding-top: 60px; }
"""


@dataclass(frozen=True, slots=True)
class Series:
    """One line: its name in the legend, and its points, seconds since the epoch and value."""

    name: str
    points: Sequence[tuple[float, float]]


def page(dashboard: Mapping[str, Any], data: Mapping[int, Sequence[Series]], start: float, end: float) -> str:
    """The dashboard with the series of its panels, by their ids, for a time range."""
    return "\n".join(_page(dashboard, data, start, end))


def _page(
    dashboard: Mapping[str, Any], data: Mapping[int, Sequence[Series]], start: float, end: float
) -> Iterator[str]:
    yield f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(dashboard["title"])}</title>'
    yield f"<style>{_STYLE}</style><body>"
    for panel in dashboard["panels"]:
        grid = panel["gridPos"]
        unit = (WIDTH - _GAP) / 24
        width, height = grid["w"] * unit - _GAP, grid["h"] * HEIGHT - _GAP
        place = f"left:{_GAP + grid['x'] * unit:.0f}px;top:{grid['y'] * HEIGHT:.0f}px;width:{width:.0f}px"
        title = escape(panel["title"])
        if panel["type"] == "row":
            yield f'<div class="row" style="{place}">{title}</div>'
            continue
        settings = panel["fieldConfig"]["defaults"]
        found = data[panel["id"]]
        yield f'<div class="panel" style="{place};height:{height:.0f}px"><h3>{title}</h3>'
        if panel["type"] == "stat":
            yield _stat(found, settings)
        elif found:
            legend = _legend(found)
            rows = math.ceil(sum(len(series.name) * 7.2 + 32 for series in found) / width)
            yield _lines(found, settings["unit"], start, end, width - 22, height - 40 - 15 * rows)
            yield legend
        else:
            yield '<div class="none">No data</div>'
        yield "</div>"


def _stat(found: Sequence[Series], settings: Mapping[str, Any]) -> str:
    lines = []
    for series in found:
        value = series.points[-1][1]
        color = "#1b2430"
        for step in settings.get("thresholds", {}).get("steps", ()):
            if step["value"] is None or value >= step["value"]:
                color = _STAT_COLORS[step["color"]]
        name = f"<small>{escape(series.name)}</small>" if len(found) > 1 else ""
        lines.append(f'<div style="color:{color}">{name}{_text(value, settings["unit"])}</div>')
    many = " many" if len(found) > 1 else ""
    return f'<div class="stat{many}">{"".join(lines) or "No data"}</div>'


def _legend(found: Sequence[Series]) -> str:
    items = [
        f'<span><i style="background:{_COLORS[index % len(_COLORS)]}"></i>{escape(series.name)}</span>'
        for index, series in enumerate(found)
    ]
    return f'<div class="legend">{"".join(items)}</div>'


def _lines(found: Sequence[Series], unit: str, start: float, end: float, width: float, height: float) -> str:
    highest = max((value for series in found for _, value in series.points if math.isfinite(value)), default=0) or 1
    step = _step(highest)
    top = max(step, math.ceil(highest / step) * step)
    inner, bottom = width - _LEFT - _RIGHT, height - _AXIS

    def x(moment: float) -> float:
        return _LEFT + (moment - start) / (end - start) * inner

    def y(value: float) -> float:
        return bottom - value / top * (bottom - _TOP)

    shapes = []
    for tick in range(round(top / step) + 1):
        at = y(tick * step)
        shapes.append(f'<line x1="{_LEFT}" x2="{width - _RIGHT:.1f}" y1="{at:.1f}" y2="{at:.1f}" stroke="#e6eaef"/>')
        label = escape(_text(tick * step, unit))
        shapes.append(f'<text x="{_LEFT - 6}" y="{at + 3.5:.1f}" text-anchor="end">{label}</text>')
    for minute in range(math.ceil(start / 60), math.floor(end / 60) + 1):
        label = f"{datetime.fromtimestamp(minute * 60, UTC):%H:%M}"
        shapes.append(f'<text x="{x(minute * 60):.1f}" y="{height - 5:.1f}" text-anchor="middle">{label}</text>')
    for index, series in enumerate(found):
        color = _COLORS[index % len(_COLORS)]
        for points in _unbroken(series.points):
            path = " ".join(f"{x(moment):.1f},{y(value):.1f}" for moment, value in points)
            shapes.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="1.6"/>')
    return f'<svg width="{width:.0f}" height="{height:.0f}" style="display:block">{"".join(shapes)}</svg>'


def _unbroken(points: Sequence[tuple[float, float]]) -> list[list[tuple[float, float]]]:
    """The parts of a line that have no gaps."""
    if len(points) < 2:
        return []
    usual = min(later[0] - earlier[0] for earlier, later in pairwise(points))
    parts: list[list[tuple[float, float]]] = [[]]
    last = points[0][0]
    for moment, value in points:
        if not math.isfinite(value) or moment - last > 1.5 * usual:
            parts.append([])
        if math.isfinite(value):
            parts[-1].append((moment, value))
        last = moment
    return [part for part in parts if part]


def _step(highest: float) -> float:
    """A round step, four or five of which cover the highest value."""
    rough = highest / 4
    power: float = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough)


def _text(value: float, unit: str) -> str:
    """A value with its unit, as Grafana names units."""
    if not math.isfinite(value):
        return "-"
    match unit:
        case "percentunit":
            return f"{value * 100:.3g} %"
        case "reqps":
            return f"{value:.3g} req/s"
        case "bytes":
            power = min(3, max(0, int(math.log(value, 1024)))) if value else 0
            return f"{value / 1024**power:.4g} {('B', 'KiB', 'MiB', 'GiB')[power]}"
        case "s":
            for size, name in ((86400 * 7, "weeks"), (86400, "days"), (3600, "hours"), (1, "s")):
                if value >= size:
                    return f"{value / size:.3g} {name}"
            return f"{value * 1000:.3g} ms"
    return f"{value:.3g}"
