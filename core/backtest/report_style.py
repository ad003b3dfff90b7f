"""The style sheet of a report: light and dark, on screen and on paper."""

from typing import Final

STYLE: Final = """
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#5b6570;--paper:#fff;--panel:#f6f8fa;--rule:#d8dee4;--equity:#1f6feb;
--benchmark:#8a6d3b;--fall:#cf222e;--warn:#fff3cd;--warn-ink:#664d03}
:root{--up:#0a7d33;--down:#cf222e;--up-rgb:10,125,51;--down-rgb:207,34,46}
:root:lang(zh){--up:#cf222e;--down:#0a7d33;--up-rgb:207,34,46;--down-rgb:10,125,51}
@media (prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9aa5b1;--paper:#0d1117;--panel:#161b22;--rule:#30363d;
--equity:#58a6ff;--benchmark:#d2a85c;--fall:#ff7b72;--warn:#3b2f0b;--warn-ink:#f2cc60;--up:#3fb950;--down:#ff7b72;
--up-rgb:63,185,80;--down-rgb:255,123,114}
:root:lang(zh){--up:#ff7b72;--down:#3fb950;--up-rgb:255,123,114;--down-rgb:63,185,80}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI","PingFang SC","Microsoft YaHei","Noto Sans CJK SC",sans-serif}
main{max-width:1000px;margin:0 auto;padding:24px 20px 48px}
h1{font-size:24px;margin:0 0 4px;overflow-wrap:anywhere}h2{font-size:17px;margin:32px 0 8px}p{margin:4px 0}
.soft,.axis,caption{color:var(--soft);fill:var(--soft)}.small{font-size:13px;overflow-wrap:anywhere}
.warn{background:var(--warn);color:var(--warn-ink);padding:8px 12px;border-radius:6px;margin:12px 0}
.figures{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(215px,46%),1fr));gap:8px;margin:0}
.figures div{background:var(--panel);border-radius:6px;padding:8px 12px}
.figures dt{color:var(--soft);font-size:13px}
.figures dd{margin:0;font-size:18px;font-variant-numeric:tabular-nums}.figures dd.missing{font-size:13px}
.chart{width:100%;min-width:620px;height:auto;display:block}.axis{font-size:12px}
.grid{stroke:var(--rule);stroke-width:1}
polyline{fill:none;stroke-width:1.6;stroke-linejoin:round}polyline.equity{stroke:var(--equity)}
polyline.benchmark{stroke:var(--benchmark);stroke-dasharray:5 3}polyline.fall{stroke:var(--fall)}
polygon.area{fill:var(--fall);opacity:.18}
.key{display:inline-block;width:22px;border-top:3px solid var(--equity);vertical-align:middle;margin:0 6px 0 0}
.key.benchmark{border-top:3px dashed var(--benchmark);margin-left:18px}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:13px}
th,td{padding:4px 8px;text-align:right;border-bottom:1px solid var(--rule);white-space:nowrap}
th:first-child,td:first-child,.text{text-align:left}td.wide{white-space:normal;overflow-wrap:anywhere}
th{color:var(--soft);font-weight:600}.up{color:var(--up)}.down{color:var(--down)}
.months td{border:1px solid var(--paper)}
@media print{main{max-width:none}h2{break-after:avoid}.chart,tr{break-inside:avoid}}
"""
