"""Colours and strokes, by day and by night."""

from __future__ import annotations

_DAY = """
.page{fill:#fff}
.box{fill:#f6f8fa;stroke:#848d97}
.frame{fill:#f0f3f6;stroke:#d1d9e0}
.frame~.cell .box{fill:#fff}
.approval .box{fill:#fff8c5;stroke:#bf8700}
.subrun .box,.subrun .side{fill:#ddf4ff;stroke:#218bff}
.name{fill:#1f2328}
.small{fill:#59636e}
.edge{stroke:#59636e}
.tip{fill:#59636e}
.order{stroke:#848d97}
.tip.order{fill:#848d97;stroke:none}
"""
_NIGHT = """
.page{fill:#0d1117}
.box{fill:#1c2128;stroke:#767e88}
.frame{fill:#151b23;stroke:#3d444d}
.frame~.cell .box{fill:#212830}
.approval .box{fill:#341a00;stroke:#d29922}
.subrun .box,.subrun .side{fill:#0c2d6b;stroke:#58a6ff}
.name{fill:#f0f6fc}
.small{fill:#a7b0bb}
.edge{stroke:#a7b0bb}
.tip{fill:#a7b0bb}
.order{stroke:#767e88}
.tip.order{fill:#767e88;stroke:none}
"""
_ALWAYS = """
text{font:13px system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
.small{font-size:11px}
.cell .small{font-size:11px}
.head{font-size:15px;font-weight:600}
.cell .name,.cell .small{text-anchor:middle}
.box,.frame{stroke-width:1.2}
.side{stroke-width:1.2}
.conditional .box{stroke-dasharray:5 4}
.edge{fill:none;stroke-width:1.4}
.order{stroke-dasharray:2 3}
"""

STYLE = f"{_ALWAYS}{_DAY}@media (prefers-color-scheme:dark){{{_NIGHT}}}\n"
