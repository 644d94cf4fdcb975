"""The look of the report: one stylesheet for light and dark screens and for paper."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light dark; --page: #fff; --card: #f6f7f9; --ink: #1b1f24; --quiet: #5b6470; --rule: #d9dde3; --accent: #2563b8;
  --band: #2563b81f; --held: #b4540a; --shade1: #cfe0f5; --shade2: #93bbe8; --shade3: #4a88cf; --shade4: #1c569e; --gap: #fbe3dc; --cross: #d0694b;
  --unseen: #c9ced6; --pass: #1a7f37; --warn: #9a6700; --fail: #c62b2b; --passbg: #e3f5e7; --warnbg: #fdf3d3; --failbg: #fde4e2; }
@media (prefers-color-scheme: dark) { :root { --page: #14171b; --card: #1c2026; --ink: #e6e9ed; --quiet: #9aa4b0; --rule: #343b45; --accent: #6ba4ee;
  --band: #6ba4ee2b; --held: #f0a35e; --shade1: #22364f; --shade2: #2c5687; --shade3: #4685cc; --shade4: #93c1f7; --gap: #3d2620; --cross: #c9705a;
  --unseen: #3a414b; --pass: #56c271; --warn: #e0b040; --fail: #ff7b72; --passbg: #16301e; --warnbg: #362c10; --failbg: #3f1d1c; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1120px; padding: 28px 24px 60px; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, "DejaVu Sans", sans-serif; overflow-wrap: break-word; }
h1 { font-size: 25px; line-height: 1.25; margin: 0; }
h2 { font-size: 19px; margin: 42px 0 8px; padding-bottom: 5px; border-bottom: 1px solid var(--rule); }
h3 { font-size: 16px; margin: 0; }
p { margin: 6px 0 10px; max-width: 86ch; }
.quiet, figcaption, .note { color: var(--quiet); }
.note, figcaption { font-size: 13px; }
code { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: 0.92em; }
.verdict { margin: 18px 0 14px; padding: 14px 18px; border-radius: 8px; border-left: 8px solid; }
.verdict strong { font-size: 20px; margin-right: 8px; }
.PASS { color: var(--pass); } .WARN { color: var(--warn); } .FAIL { color: var(--fail); }
.verdict.PASS { background: var(--passbg); } .verdict.WARN { background: var(--warnbg); } .verdict.FAIL { background: var(--failbg); }
.verdict span { color: var(--ink); }
.verdict p.first { margin: 8px 0 0; max-width: none; }
.badge { font-weight: 700; font-size: 12px; letter-spacing: 0.03em; }
table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums; }
th, td { padding: 5px 10px 5px 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--rule); }
th { color: var(--quiet); font-weight: 600; font-size: 13px; }
td.n, th.n { text-align: right; white-space: nowrap; }
.remedies td:nth-child(2) { min-width: 9em; } .remedies td:nth-child(3) { min-width: 14em; } .remedies td:nth-child(4) { min-width: 20em; }
.wide { overflow-x: auto; } .wide + h3, .sketches + h3, p + h3 { margin-top: 20px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(170px, 1fr)); gap: 10px; margin: 12px 0; }
.tile { background: var(--card); border-radius: 8px; padding: 10px 14px; }
.tile b { display: block; font-size: 21px; font-weight: 650; } .tile span { display: block; color: var(--quiet); font-size: 13px; line-height: 1.35; }
.tile.main { outline: 1.5px solid var(--accent); }
.camera-card { background: var(--card); border-radius: 8px; padding: 14px 16px; margin: 14px 0; break-inside: avoid; }
.row { display: flex; flex-wrap: wrap; gap: 14px; align-items: flex-start; }
figure { margin: 8px 0 0; break-inside: avoid; } figcaption { max-width: 320px; margin-top: 3px; } .full figcaption { max-width: 86ch; }
figure + p { margin-top: 16px; }
.sketches { display: grid; grid-template-columns: repeat(auto-fit, minmax(300px, 1fr)); gap: 14px; }
svg { max-width: 100%; height: auto; display: block; overflow: hidden; }
svg text { fill: var(--ink); font: 12px system-ui, "Segoe UI", Roboto, Arial, "DejaVu Sans", sans-serif; }
svg text.small { font-size: 11px; } svg text.quiet { fill: var(--quiet); }
svg text.name { font-size: 11px; paint-order: stroke; stroke: var(--page); stroke-width: 3px; }
.frame { fill: var(--page); stroke: var(--rule); } .backing { fill: var(--page); opacity: 0.8; }
.grid { stroke: var(--rule); } .axis, .zero { stroke: var(--quiet); } .zero { stroke-dasharray: 3 3; }
.bar { fill: var(--accent); } .band { fill: var(--band); } .outline { fill: none; stroke: var(--held); stroke-width: 2; }
.shade1 { fill: var(--shade1); } .shade2 { fill: var(--shade2); } .shade3 { fill: var(--shade3); } .shade4 { fill: var(--shade4); }
.gap { fill: var(--gap); } .crossed { stroke: var(--cross); fill: none; } .unseen { fill: var(--unseen); }
.thirds { stroke: var(--quiet); stroke-dasharray: 2 4; opacity: 0.7; }
.thin { stroke: var(--accent); stroke-width: 0.8; opacity: 0.45; fill: none; } .thick { stroke: var(--held); stroke-width: 2; fill: none; }
.dot { fill: var(--held); }
.target { fill: var(--shade1); stroke: var(--quiet); } .frustum { fill: var(--band); stroke: var(--accent); }
.edge { stroke: var(--accent); opacity: 0.7; }
.optical { stroke: var(--held); stroke-dasharray: 4 3; } .camera { fill: var(--accent); }
.hollow { fill: var(--page); stroke: var(--accent); stroke-width: 2; }
.leader { stroke: var(--quiet); stroke-width: 0.7; } .whisker { stroke: var(--accent); stroke-width: 2; }
.key { display: inline-block; width: 12px; height: 12px; border-radius: 2px; vertical-align: -1px; margin: 0 3px 0 10px; }
.key.shade1 { background: var(--shade1); } .key.shade2 { background: var(--shade2); } .key.shade3 { background: var(--shade3); }
.key.shade4 { background: var(--shade4); }
.key.gap { background: var(--gap); border: 1px solid var(--cross); } .key.unseen { background: var(--unseen); }
.key.bar { background: var(--accent); }
.key.outline { background: none; border-top: 3px solid var(--held); height: 0; border-radius: 0; vertical-align: 3px; }
.pairs { width: auto; } .pairs th, .pairs td { border: 1px solid var(--page); padding: 5px 8px; } .pairs td { text-align: center; min-width: 46px; }
.pairs th.turned { vertical-align: bottom; padding: 6px 2px; } .pairs th.turned span { writing-mode: vertical-rl; transform: rotate(180deg); }
.pairs th.side { text-align: right; max-width: 30em; }
.pairs td.own { color: var(--quiet); background: var(--card); } .pairs td.none { background: var(--gap); } .pairs td.s1 { background: var(--shade1); }
.pairs td.s2 { background: var(--shade2); color: #000; } .pairs td.s3 { background: var(--shade3); color: #fff; }
.pairs td.apart { color: var(--quiet); }
@media print { :root { color-scheme: light; } body { max-width: none; padding: 0; font-size: 11pt; } h2 { break-after: avoid; }
tr, .tile { break-inside: avoid; }
  .verdict, .bar, .tile, .camera-card, svg, td, .key { print-color-adjust: exact; -webkit-print-color-adjust: exact; } .wide { overflow: visible; } }
"""
