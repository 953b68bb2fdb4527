"""The shape that latency is measured with: `LANES` runs, each a chain of `LINKS` ticks that
end at fixed moments; each tick's end makes `WIDTH` steps ready, and the next tick."""

from __future__ import annotations

LANES = 40
LINKS = 50
WIDTH = 4
TASKS = LANES * LINKS * (1 + WIDTH)


def as_tide() -> str:
    steps = "\n".join(_link(link) for link in range(LINKS))
    return f"pipeline drip {{\n  param lane: int\n{steps}\n}}\n"


def _link(link: int) -> str:
    after = f"\n    needs = [tick{link - 1}]" if link else ""
    return (
        f'  step tick{link} {{ run = ["tick", "{{{{ lane }}}}", "{link}"]{after} }}\n'
        f"  step go{link} for x in range({WIDTH}) {{\n"
        f'    needs = [tick{link}]\n    run = ["true"]\n  }}'
    )
