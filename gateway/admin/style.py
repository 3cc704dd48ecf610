"""The style of the status page: light and dark, for desktops, tablets and phones."""

from __future__ import annotations

__all__ = ["STYLE"]

STYLE = """
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
.badge { font-size: 13px; font-weight: 600; padding: 2px 10px; border-radius: 12px; }
.good { color: var(--good); background: var(--good-back); } .bad { color: var(--bad); background: var(--bad-back); }
.warn { color: var(--warn); background: var(--warn-back); }
.alert { margin: 0 0 12px; padding: 10px 16px; border-radius: 10px; overflow-wrap: anywhere; }
.cards { display: grid; grid-template-columns: repeat(4, 1fr); gap: 12px; }
.cards:is(.n5, .n6) { grid-template-columns: repeat(3, 1fr); } .n5 .card:first-child { grid-column: span 2; }
.card, .table { background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
.card { padding: 14px 16px; min-width: 0; }
.card h3 { margin: 0; font-size: 13px; font-weight: 600; line-height: 23px; color: var(--soft);
  display: flex; flex-wrap: wrap; justify-content: space-between; gap: 2px 8px; }
.card .number { font-size: 26px; font-weight: 650; line-height: 1.3; font-variant-numeric: tabular-nums; }
.card .number small { font-size: 13px; font-weight: 400; }
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
.whole { white-space: nowrap; } td.plot, th.plot { padding: 0 8px; width: 348px; }
.errors { table-layout: fixed; } .errors th:nth-child(1) { width: 336px; } .errors th:nth-child(3) { width: 76px; }
.errors th:nth-child(4) { width: 104px; } .errors th:nth-child(5) { width: 272px; }
svg { display: block; width: 332px; height: auto; }
code { font: 12.5px/1.4 ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
footer { margin-top: 28px; font-size: 13px; color: var(--soft); } a { color: var(--accent); }
.grid { stroke: var(--line); } .range { stroke: var(--range); stroke-width: 8; stroke-linecap: round; }
.tail { stroke: var(--range); stroke-width: 2; } .median { fill: var(--accent); }
.label { fill: var(--soft); font-size: 11px; text-anchor: middle; }
@media (max-width: 1040px) {
  main { padding: 18px 14px 32px; } h2 { margin-top: 26px; }
  .cards.n4 { grid-template-columns: repeat(2, 1fr); }
  svg { max-width: 100%; } td code { font-size: 11.5px; }
  .rpcs, .rpcs :is(tbody, tr, td, th) { display: block; border: 0; padding: 0; width: auto; text-align: left; }
  .rpcs tr { display: grid; grid-template-columns: repeat(5, auto) 332px; align-items: center; gap: 0 10px;
    justify-content: space-between; padding: 8px 14px; border-bottom: 1px solid var(--line); }
  .rpcs tr:last-child { border-bottom: 0; } .rpcs tr.head { padding: 4px 14px; }
  .rpcs th:not(.plot) { display: none; } .rpcs th.plot { grid-column: 6; } .rpcs td.rpc { grid-column: 1 / -1; }
  :is(.rpcs, .errors) td { font-size: 12.5px; } td[data-is]::before { content: attr(data-is) " "; color: var(--soft); }
  .errors, .errors :is(tbody, tr, td) { display: block; border: 0; padding: 0; }
  .errors tr { display: grid; grid-template-columns: 1fr auto 240px; gap: 2px 18px; padding: 10px 14px;
    border-bottom: 1px solid var(--line); }
  .errors tr:last-child { border-bottom: 0; } .errors tr.head { display: none; }
  .errors td:nth-child(2) { grid-row: 2; grid-column: 1 / 3; } .errors td.id { grid-row: 2; grid-column: 3; }
}
@media (max-width: 700px) {
  .cards, .cards:is(.n4, .n5, .n6) { grid-template-columns: repeat(2, 1fr); gap: 10px; }
  .card:first-child, .card:last-child:nth-child(even) { grid-column: 1 / -1; }
  .rpcs tr { display: flex; flex-wrap: wrap; justify-content: start; } .rpcs :is(td.rpc, .plot) { width: 100%; }
  .errors tr { display: block; } .errors td { text-align: left; }
  .errors td[data-is] { display: inline-block; margin-right: 10px; }
}
"""
