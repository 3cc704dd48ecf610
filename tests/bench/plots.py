"""Draws a bar chart for each measurement of a results.json, next to it: `plots.py RESULTS`.

Runs in the benchmark's own environment, which has matplotlib.
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("agg")

from matplotlib import pyplot

_OURS, _OTHERS = "#1f6feb", "#8c959f"


def _draw(section: dict[str, Any], file: Path) -> None:
    """Horizontal bars from zero: medians, with lines from the smallest to the largest value."""
    series = section["series"]
    labels = [one["label"] for one in series]
    medians = [statistics.median(one["values"]) for one in series]
    below = [median - min(one["values"]) for median, one in zip(medians, series, strict=True)]
    above = [max(one["values"]) - median for median, one in zip(medians, series, strict=True)]
    colors = [_color(label, labels) for label in labels]
    figure, axes = pyplot.subplots(figsize=(8, 1.3 + 0.42 * len(series)), layout="constrained")
    bars = axes.barh(
        labels, medians, xerr=(below, above), color=colors, height=0.62, error_kw={"ecolor": "#24292f", "capsize": 3}
    )
    ends = [median + more for median, more in zip(medians, above, strict=True)]
    for bar, median, end in zip(bars, medians, ends, strict=True):
        number = f"{median:,.0f}" if median >= 100 else f"{median:.3g}"
        axes.annotate(
            f"{number} {section['unit']}",
            (end, bar.get_y() + bar.get_height() / 2),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
        )
    axes.invert_yaxis()
    axes.set_xlim(0, max(ends) * 1.18)
    axes.set_xlabel(section["unit"])
    axes.set_title(section["title"], loc="left", fontweight="bold")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, dpi=120, metadata={"Software": None})
    pyplot.close(figure)


def _color(label: str, labels: list[str]) -> str:
    """The gateway's bars are highlighted if there are others."""
    return _OURS if "gateway" in label or not any("gateway" in other for other in labels) else _OTHERS


if __name__ == "__main__":
    results = Path(sys.argv[1])
    for measured in json.loads(results.read_text(encoding="utf-8"))["sections"]:
        _draw(measured, results.with_name(f"{measured['key']}.png"))
