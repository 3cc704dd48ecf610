"""The status page: one document without scripts and external resources, in light and dark mode."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

from gateway import __version__
from gateway.admin.rates import Rates
from gateway.admin.recent import ErrorGroup
from gateway.admin.style import STYLE
from gateway.admin.summary import Latency, Summary
from gateway.vcenter.probe import VCenterState

__all__ = ["POLICY", "Facts", "render"]

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""The browser may load nothing for the page."""

_MAX_ROWS = 20
# Words up to this length fit into a line on a phone.
_WHOLE = 24
_NEARLY_FULL = 0.8
# The scale of the plot: its ends in seconds, its width in pixels, and the labels of the lines.
_FASTEST, _SLOWEST, _WIDTH, _MARGIN = 0.001, 60.0, 300.0, 16.0
_TICKS = ((0.001, "1 ms"), (0.01, "10 ms"), (0.1, "0.1 s"), (1.0, "1 s"), (10.0, "10 s"))
_DAY = 86400.0
_SOON = 14 * _DAY


@dataclass(frozen=True, slots=True)
class Facts:
    """What the page shows."""

    vcenter: str
    state: VCenterState
    service_account: bool
    """Whether all logins are those of the gateway's service account."""
    workers: int
    started: float
    """Seconds since the epoch."""
    not_ready: str | None
    summary: Summary
    rates: Rates
    errors: Sequence[ErrorGroup]

    @property
    def login_refused(self) -> bool:
        """Whether vCenter rejects the gateway's own account, according to the numbers."""
        totals = self.summary.totals
        return self.service_account and totals["session_logins_rejected_total"] > 0 and not totals["sessions_open"]


def render(facts: Facts, now: float) -> str:
    """The page. `now` is in seconds since the epoch."""
    return "\n".join(_page(facts, now))


def _page(facts: Facts, now: float) -> Iterator[str]:
    state = _badge("warn", "Not ready") if facts.not_ready else _badge("good", "Serving")
    processes = f" · {facts.workers} workers" if facts.workers > 1 else ""
    yield "<!doctype html>"
    yield '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    yield f"<title>vCenter gRPC gateway</title><style>{STYLE}</style></head><body><main>"
    yield f"<header><h1>vCenter gRPC gateway</h1>{state}</header>"
    yield (
        f'<p class="soft">Version {escape(__version__)} · up {_span(now - facts.started)}{processes} · '
        f"{_moment(now)} UTC</p>"
    )
    yield from _alerts(facts)
    cards = list(_cards(facts, now))
    yield f'<section class="cards n{len(cards)}">{"".join(cards)}</section>'
    yield from _latencies(facts.summary.latencies, facts.rates)
    server, callers = ([error for error in facts.errors if error.is_server_fault is kind] for kind in (True, False))
    yield from _errors("Errors of vCenter and the gateway", server, now)
    yield from _errors("Errors of callers", callers, now)
    yield (
        "<footer>Totals count from the start; rates are averages over the last minute. For monitoring: "
        '<a href="/metrics">metrics</a>, <a href="/healthz">healthz</a>, <a href="/readyz">readyz</a>.'
        "</footer></main></body></html>"
    )


def _alerts(facts: Facts) -> Iterator[str]:
    """Problems that need action."""
    if facts.not_ready:
        yield f'<p class="alert warn">{escape(facts.not_ready.capitalize())}.</p>'
    if facts.state.reachable is False:
        text = f"<b>vCenter cannot be called.</b> {_words(facts.state.problem)}.<br>{_words(facts.state.remedy)}"
        yield f'<p class="alert bad">{text}</p>'
    if away := [name for name, up in facts.summary.issuers.items() if not up]:
        names = ", ".join(f"<code>{escape(name)}</code>" for name in away)
        yield (
            f'<p class="alert bad"><b>The keys of JWT issuers cannot be fetched: {names}.</b> The gateway accepts '
            "tokens that were signed with a known key and rejects others. See the log for the cause.</p>"
        )
    if facts.login_refused:
        yield (
            '<p class="alert bad"><b>vCenter rejects the service account.</b> No call can succeed until its name '
            "(<code>auth.user</code>) and password (<code>auth.password_file</code>) are right, and the account is "
            "not locked.</p>"
        )


def _cards(facts: Facts, now: float) -> Iterator[str]:
    totals, rates = facts.summary.totals, facts.rates
    yield _vcenter(facts)
    failed = sum(latency.failed for latency in facts.summary.latencies)
    in_flight = f"{_number(totals['rpcs_in_flight'])} in flight<br>{_number(failed)} failed · {_rate(rates.failed)} now"
    yield _card("Rpcs", _number(totals["rpcs_total"]), in_flight, unit=f"{_rate(rates.calls)} now")
    active, places = totals["limiter_active"], totals["limiter_places"]
    share = min(1.0, active / places) if places else 0.0
    bar = f'<div class="bar"><i{" class=full" if share > _NEARLY_FULL else ""} style="width:{share:.0%}"></i></div>'
    waiting = (
        f"{_number(totals['limiter_waiting'])} waiting · {_number(totals['limiter_refused_total'])} refused<br>"
        f"{_number(totals['vcenter_calls_total'])} made · {_rate(rates.vcenter_calls)} now"
    )
    yield _card("Calls to vCenter", _number(active), waiting, bar, unit=f"of {_number(places)}")
    logins, rejected = totals["session_logins_total"], totals["session_logins_rejected_total"]
    text = f"{_number(logins)} login{'' if logins == 1 else 's'}, {_number(rejected)} rejected"
    yield _card("Open sessions", _number(totals["sessions_open"]), text)
    yield from _certificates(facts.summary.expiries, now)


def _vcenter(facts: Facts) -> str:
    breaker = {name: int(count) for name, count in facts.summary.states.items() if count}
    if facts.state.reachable is False:
        badge = _badge("bad", "Cannot be called")
    elif "open" in breaker or "half-open" in breaker:
        badge = _badge("bad", "Does not answer")
    elif facts.login_refused:
        badge = _badge("bad", "Login rejected")
    elif facts.summary.totals["vcenter_calls_total"] or facts.state.reachable:
        badge = _badge("good", "Answers")
    else:
        badge = _badge("warn", "Not called yet")
    states = ", ".join(f"{name} ({count})" if facts.workers > 1 else name for name, count in breaker.items())
    known = f"API {escape(facts.state.api)}" if facts.state.api else "Version unknown"
    problem = escape(facts.state.problem) if facts.state.reachable else ""
    lines = (problem, f"<code>{escape(facts.vcenter)}</code>", f"circuit breaker {escape(states or 'closed')}")
    return _card(f"vCenter {badge}", known, "<br>".join(filter(None, lines)))


def _certificates(expiries: dict[str, float], now: float) -> Iterator[str]:
    for name, title in (("gateway", "Gateway's certificate"), ("vcenter", "vCenter's certificate")):
        if (end := expiries.get(name)) is None:
            continue
        left = end - now
        badge = _badge("bad", "expired") if left <= 0 else _badge("warn", "expires soon") if left < _SOON else ""
        yield _card(f"{title} {badge}", _span(left) if left > 0 else "expired", f"until {_moment(end)} UTC")


def _card(title: str, number: str, text: str, extra: str = "", *, unit: str = "") -> str:
    small = f' <small class="soft">{unit}</small>' if unit else ""
    return f'<div class="card"><h3>{title}</h3><div class="number">{number}{small}</div>{extra}<p>{text}</p></div>'


def _latencies(latencies: Sequence[Latency], rates: Rates) -> Iterator[str]:
    yield "<h2>Latency of rpcs</h2>"
    if not latencies:
        yield '<p class="soft">No rpc has been called yet.</p>'
        return
    yield '<div class="table"><table class="rpcs"><tr class="head"><th>Rpc</th><th class="r">Calls</th>'
    yield '<th class="r">Now</th><th class="r">Failed</th><th class="r">p50</th><th class="r">p99</th>'
    yield f'<th class="plot">{_scale()}</th></tr>'
    for latency in latencies[:_MAX_ROWS]:
        median, most = latency.quantile(0.5), latency.quantile(0.99)
        failed = "r failed" if latency.failed else "r"
        yield (
            f'<tr>{_rpc(latency.rpc)}<td class="r" data-is="calls">{_number(latency.calls)}</td>'
            f'<td class="r" data-is="now">{_rate(rates.by_rpc.get(latency.rpc, 0.0))}</td>'
            f'<td class="{failed}" data-is="failed">{_number(latency.failed)}</td>'
            f'<td class="r" data-is="p50">{_duration(median)}</td>'
            f'<td class="r" data-is="p99">{_duration(most)}</td><td class="plot">{_bar(latency)}</td></tr>'
        )
    yield "</table></div>"
    more = (
        (f" Shown are the {_MAX_ROWS} most frequently called of {len(latencies)} rpcs.")
        if len(latencies) > _MAX_ROWS
        else ""
    )
    legend = "The dot marks the median (p50), the bar extends to p90, and the line to p99."
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
    return _svg(34, "".join(lines) + shapes, "from p50 to p99")


def _errors(title: str, errors: Sequence[ErrorGroup], now: float) -> Iterator[str]:
    yield f"<h2>{title}</h2>"
    if not errors:
        yield '<p class="soft">None so far.</p>'
        return
    yield '<div class="table"><table class="errors"><tr class="head"><th>Rpc</th><th>Code and reason</th>'
    yield '<th class="r">Count</th><th>Last (UTC)</th><th>Machine and request id</th></tr>'
    for error in errors:
        moment = _moment(error.time)
        # vCenter's error type is often the same as the code.
        reason = f'<br><span class="soft long">{escape(error.reason)}</span>' if error.reason != error.code else ""
        text = f'<br><span class="soft long">{_words(error.text)}</span>' if error.text else ""
        machine = f"<code>{escape(error.machine)}</code><br>" if error.machine else ""
        when = moment[11:] if moment[:10] == _moment(now)[:10] else moment
        yield (
            f"<tr>{_rpc(error.rpc)}<td>{escape(error.code)}{reason}{text}</td>"
            f'<td class="r" data-is="count">{_number(error.count)}</td><td data-is="last">{when}</td>'
            f'<td class="long id">{machine}<code>{escape(error.request_id)}</code></td></tr>'
        )
    yield "</table></div>"


def _rpc(name: str) -> str:
    """A cell with the name of an rpc, which may break after its package."""
    package, _, rest = name.rpartition(".")
    return f'<td class="rpc"><code><span class="soft">{escape(package)}.</span><wbr>{escape(rest)}</code></td>'


def _words(text: str) -> str:
    """A sentence that breaks between words. Flags and dates stay whole; long names break after a dot or underscore."""
    words = []
    for word in text.split():
        if len(word) > _WHOLE:
            parts = [word] if "/" in word else re.split(r"(?<=[._])", word)
            words.append("<wbr>".join(escape(part) for part in parts))
        else:
            words.append(f'<span class="whole">{escape(word)}</span>' if "-" in word else escape(word))
    return " ".join(words)


def _badge(kind: str, text: str) -> str:
    return f'<span class="badge {kind}">{escape(text)}</span>'


def _number(value: float) -> str:
    return f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def _rate(per_second: float) -> str:
    return f"{_number(per_second)}/s" if per_second >= 100 else f"{per_second:.2g}/s"


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:.3g} ms" if seconds < 0.9995 else f"{seconds:.3g} s"


def _span(seconds: float) -> str:
    """A human-readable duration in its two largest units."""
    rest = int(max(0, seconds))
    parts: list[str] = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count or (parts and unit != "s") or (unit == "s" and not parts):
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"
