"""The status page: one document without scripts and without anything from elsewhere, in light and in dark."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

from gateway import __version__
from gateway.admin.recent import RecentError
from gateway.admin.summary import Latency, Summary
from gateway.vcenter.version import VCenterVersion

__all__ = ["POLICY", "Facts", "render"]

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""What a browser may load for the page: nothing."""

_MAX_ROWS = 20
_NEARLY_FULL = 0.8
# The scale of the plot: its ends in seconds, its width in pixels, and what is written at the lines.
_FASTEST, _SLOWEST, _WIDTH, _MARGIN = 0.001, 60.0, 300.0, 16.0
_TICKS = ((0.001, "1 ms"), (0.01, "10 ms"), (0.1, "0.1 s"), (1.0, "1 s"), (10.0, "10 s"))
_DAY = 86400.0
_SOON = 14 * _DAY

_STYLE = """
:root { color-scheme: light dark; --back: #f6f7f9; --card: #fff; --line: #e1e5ea; --text: #1b2430; --soft: #5d6b7c;
  --accent: #2563eb; --range: #b7cdf8; --good: #157f3d; --good-back: #dcf5e5; --bad: #b3261e; --bad-back: #fde5e3;
  --warn: #8a5a00; --warn-back: #fdf0d3; }
@media (prefers-color-scheme: dark) { :root { --back: #0f141a; --card: #171e27; --line: #2a3441; --text: #e6ebf1;
  --soft: #94a3b5; --accent: #7aa7ff; --range: #2c4a82; --good: #6fdc97; --good-back: #12351f; --bad: #ff9d94;
  --bad-back: #431a17; --warn: #f2c76b; --warn-back: #3b2d0c; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--text);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 1240px; margin: 0 auto; padding: 28px 20px 48px; }
header { display: flex; flex-wrap: wrap; align-items: center; gap: 6px 14px; }
h1 { font-size: 22px; margin: 0; letter-spacing: -.01em; }
h2 { font-size: 16px; margin: 32px 0 10px; }
.soft { color: var(--soft); }
header + p { margin: 4px 0 20px; overflow-wrap: anywhere; }
.badge { font-size: 13px; font-weight: 600; padding: 2px 10px; border-radius: 999px; white-space: nowrap; }
.good { color: var(--good); background: var(--good-back); } .bad { color: var(--bad); background: var(--bad-back); }
.warn { color: var(--warn); background: var(--warn-back); }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(200px, 1fr)); gap: 12px; }
.card, .table { background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
.card { padding: 14px 16px; }
.card h3 { margin: 0; font-size: 13px; font-weight: 600; line-height: 23px; color: var(--soft);
  display: flex; flex-wrap: wrap; justify-content: space-between; gap: 2px 8px; }
.card .number { font-size: 26px; font-weight: 650; line-height: 1.3; font-variant-numeric: tabular-nums; }
.card p { margin: 2px 0 0; font-size: 13px; color: var(--soft); overflow-wrap: anywhere; }
.bar { height: 6px; border-radius: 3px; margin: 4px 0 6px; background: var(--line); overflow: hidden; }
.bar i { display: block; height: 100%; background: var(--accent); } .bar .full { background: var(--bad); }
.table { overflow: hidden; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 7px 12px; border-bottom: 1px solid var(--line); }
tr:last-child td { border-bottom: 0; }
tr:hover td { background: color-mix(in srgb, var(--accent) 6%, transparent); }
th { font-weight: 600; font-size: 12.5px; color: var(--soft); }
.r { text-align: right; white-space: nowrap; } .failed { color: var(--bad); font-weight: 600; }
.long { overflow-wrap: anywhere; } th { white-space: nowrap; } .note { font-size: 13px; margin: 8px 2px 0; }
td.plot, th.plot { padding: 0 8px; width: 348px; } svg { display: block; width: 100%; height: auto; }
code { font: 12.5px/1.4 ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
footer { margin-top: 28px; font-size: 13px; color: var(--soft); } a { color: var(--accent); }
.grid { stroke: var(--line); } .range { stroke: var(--range); stroke-width: 8; stroke-linecap: round; }
.tail { stroke: var(--range); stroke-width: 2; } .median { fill: var(--accent); }
.label { fill: var(--soft); font-size: 11px; text-anchor: middle; }
@media (max-width: 900px) {
  main { padding: 18px 14px 32px; } h2 { margin-top: 26px; }
  .cards { grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 10px; }
  .card:first-child { grid-column: 1 / -1; }
  table, tbody, tr, td, th { display: block; border: 0; padding: 0; width: auto; }
  tr { padding: 10px 14px; border-bottom: 1px solid var(--line); } tr:last-child { border-bottom: 0; }
  tr:hover td { background: none; }
  th:not(.plot) { display: none; } tr.head { padding: 4px 14px; } tr.head:not(:has(.plot)) { display: none; }
  td.plot, th.plot { padding: 0; width: auto; }
  td { display: inline-block; margin-right: 10px; font-size: 12.5px; white-space: normal; text-align: left; }
  td code { font-size: 11.5px; }
  td.rpc, td.plot, td.long { display: block; margin-right: 0; }
  td[data-is]::before { content: attr(data-is) " "; color: var(--soft); }
}
"""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the page shows."""

    vcenter: str
    version: VCenterVersion
    workers: int
    started: float
    """Seconds since the epoch."""
    not_ready: str | None
    summary: Summary
    errors: Sequence[RecentError]


def render(facts: Facts, now: float) -> str:
    """The page. `now` is in seconds since the epoch."""
    return "\n".join(_page(facts, now))


def _page(facts: Facts, now: float) -> Iterator[str]:
    state = _badge("warn", "Not ready") if facts.not_ready else _badge("good", "Serving")
    processes = f" · {facts.workers} workers" if facts.workers > 1 else ""
    yield "<!doctype html>"
    yield '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    yield f"<title>vCenter gRPC gateway</title><style>{_STYLE}</style></head><body><main>"
    yield f"<header><h1>vCenter gRPC gateway</h1>{state}</header>"
    yield (
        f'<p class="soft">Version {escape(__version__)} · up {_span(now - facts.started)}{processes} · '
        f"{_moment(now)} UTC{f' · {escape(facts.not_ready)}' if facts.not_ready else ''}</p>"
    )
    yield f'<section class="cards">{"".join(_cards(facts, now))}</section>'
    yield from _latencies(facts.summary.latencies)
    yield from _errors(facts.errors, now)
    yield (
        '<footer>Numbers are since the start. For machines: <a href="/metrics">metrics</a>, '
        '<a href="/healthz">healthz</a>, <a href="/readyz">readyz</a>.</footer></main></body></html>'
    )


def _cards(facts: Facts, now: float) -> Iterator[str]:
    totals = facts.summary.totals
    breaker = {name: int(count) for name, count in facts.summary.states.items() if count}
    broken = [name for name in ("open", "half-open") if name in breaker]
    if broken:
        badge = _badge("bad", "Does not answer: calls are refused")
    elif totals["vcenter_calls_total"] or facts.version.api:
        badge = _badge("good", "Answers")
    else:
        badge = _badge("warn", "Not called yet")
    states = ", ".join(f"{name} ({count})" if facts.workers > 1 else name for name, count in breaker.items())
    known = f"API {escape(facts.version.api)}" if facts.version.api else "Version unknown"
    where = f"<code>{escape(facts.vcenter)}</code><br>circuit breaker {escape(states or 'closed')}"
    yield _card(f"vCenter {badge}", known, "<br>".join(filter(None, (escape(facts.version.problem), where))))
    failed = sum(latency.failed for latency in facts.summary.latencies)
    under_way = f"{_number(totals['rpcs_in_flight'])} under way · {_number(failed)} failed"
    yield _card("Rpcs", _number(totals["rpcs_total"]), under_way)
    active, places = totals["limiter_active"], totals["limiter_places"]
    share = min(1.0, active / places) if places else 0.0
    bar = f'<div class="bar"><i{" class=full" if share > _NEARLY_FULL else ""} style="width:{share:.0%}"></i></div>'
    waiting = (
        f"{_number(totals['limiter_waiting'])} waiting · {_number(totals['limiter_refused_total'])} refused so far"
    )
    yield _card("Calls with vCenter", f"{_number(active)} of {_number(places)}", waiting, bar)
    logins, rejected = totals["session_logins_total"], totals["session_logins_rejected_total"]
    text = f"{_number(logins)} login{'' if logins == 1 else 's'}, {_number(rejected)} rejected"
    yield _card("Open sessions", _number(totals["sessions_open"]), text)
    yield from _certificates(facts.summary.expiries, now)


def _certificates(expiries: dict[str, float], now: float) -> Iterator[str]:
    for name, title in (("gateway", "Own certificate"), ("vcenter", "vCenter's certificate")):
        if (end := expiries.get(name)) is None:
            continue
        left = end - now
        badge = _badge("bad", "expired") if left <= 0 else _badge("warn", "ends soon") if left < _SOON else ""
        yield _card(f"{title} {badge}", _span(left) if left > 0 else "over", f"until {_moment(end)} UTC")


def _card(title: str, number: str, text: str, extra: str = "") -> str:
    return f'<div class="card"><h3>{title}</h3><div class="number">{number}</div>{extra}<p>{text}</p></div>'


def _latencies(latencies: Sequence[Latency]) -> Iterator[str]:
    yield "<h2>How long rpcs take</h2>"
    if not latencies:
        yield '<p class="soft">No rpc has been called yet.</p>'
        return
    yield '<div class="table"><table><tr class="head"><th>Rpc</th><th class="r">Calls</th><th class="r">Failed</th>'
    yield f'<th class="r">Median</th><th class="r">99 of 100</th><th class="plot">{_scale()}</th></tr>'
    for latency in latencies[:_MAX_ROWS]:
        median, most = latency.quantile(0.5), latency.quantile(0.99)
        failed = "r failed" if latency.failed else "r"
        yield (
            f'<tr>{_rpc(latency.rpc)}<td class="r" data-is="calls">{_number(latency.calls)}</td>'
            f'<td class="{failed}" data-is="failed">{_number(latency.failed)}</td>'
            f'<td class="r" data-is="median">{_duration(median)}</td>'
            f'<td class="r" data-is="99 %">{_duration(most)}</td><td class="plot">{_bar(latency)}</td></tr>'
        )
    yield "</table></div>"
    more = f" The {_MAX_ROWS} most called of {len(latencies)} rpcs." if len(latencies) > _MAX_ROWS else ""
    legend = "The dot is the median, the bar reaches to 90 and the line to 99 of 100 calls."
    yield f'<p class="soft note">{legend}{more}</p>'


def _x(seconds: float) -> float:
    share = math.log(min(max(seconds, _FASTEST), _SLOWEST) / _FASTEST) / math.log(_SLOWEST / _FASTEST)
    return round(_MARGIN + share * _WIDTH, 1)


def _svg(height: int, content: str, label: str) -> str:
    width = f"{_WIDTH + 2 * _MARGIN:g}"
    return f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{label}">{content}</svg>'


def _scale() -> str:
    texts = [f'<text class="label" x="{_x(value)}" y="15">{text}</text>' for value, text in _TICKS]
    return _svg(22, "".join(texts), "scale")


def _bar(latency: Latency) -> str:
    median, high, most = (_x(latency.quantile(share)) for share in (0.5, 0.9, 0.99))
    lines = [f'<line class="grid" x1="{_x(value)}" x2="{_x(value)}" y1="0" y2="34"/>' for value, _ in _TICKS]
    shapes = (
        f'<line class="tail" x1="{median}" x2="{most}" y1="17" y2="17"/>'
        f'<line class="range" x1="{median}" x2="{high}" y1="17" y2="17"/>'
        f'<circle class="median" cx="{median}" cy="17" r="4.5"/>'
    )
    return _svg(34, "".join(lines) + shapes, "from the median to 99 of 100 calls")


def _errors(errors: Sequence[RecentError], now: float) -> Iterator[str]:
    yield "<h2>Last errors</h2>"
    if not errors:
        yield '<p class="soft">No call has failed.</p>'
        return
    yield '<div class="table"><table><tr class="head"><th>Time (UTC)</th><th>Rpc</th><th>Code and reason</th>'
    yield "<th>Request id</th></tr>"
    for error in errors:
        moment = _moment(error.time)
        # vCenter often says the same as the code.
        reason = f'<br><span class="soft">{escape(error.reason)}</span>' if error.reason != error.code else ""
        when = moment[11:] if moment[:10] == _moment(now)[:10] else moment
        yield (
            f"<tr><td>{when}</td>{_rpc(error.rpc)}"
            f'<td class="long">{escape(error.code)}{reason}</td>'
            f'<td class="long"><code>{escape(error.request_id)}</code></td></tr>'
        )
    yield "</table></div>"


def _rpc(name: str) -> str:
    """A cell with the name of an rpc, which may be broken after its package."""
    package, _, rest = name.rpartition(".")
    return f'<td class="rpc"><code><span class="soft">{escape(package)}.</span><wbr>{escape(rest)}</code></td>'


def _badge(kind: str, text: str) -> str:
    return f'<span class="badge {kind}">{escape(text)}</span>'


def _number(value: float) -> str:
    return f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:.3g} ms" if seconds < 0.9995 else f"{seconds:.3g} s"


def _span(seconds: float) -> str:
    """A length of time as people say it, in its two largest units."""
    rest = int(max(0, seconds))
    parts: list[str] = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count or (parts and unit != "s") or (unit == "s" and not parts):
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"
