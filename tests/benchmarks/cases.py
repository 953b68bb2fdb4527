"""The cases: what is run against what, how often, and the target each has."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import shapes
from contenders import FLOOR, TIDEMILL, TIDEMILL_RUN, Contender, write_tide
from measure import Failed, Series, memory_of, timed

HERE = Path(__file__).parent
PARALLELISM = 2
RUN_TARGET = 1.6
MEMORY_TARGET = 120_000_000


@dataclass(frozen=True)
class Row:
    """One line of the report. `ratio` is to `against`, `target` the most it may be."""

    case: str
    what: str
    series: Series | str
    ratio: float | None = None
    against: str = ""
    target: float | None = None


@dataclass(frozen=True)
class Plan:
    """How often each is run, and where."""

    repeats: int
    peer_repeats: int
    scratch: Path
    peers: tuple[Contender, ...]
    small: bool

    def size(self, full: int) -> int:
        return max(full // 10, 4) if self.small else full


Runner = Callable[[], float]


def interleaved(runners: Mapping[str, tuple[Runner, int]]) -> dict[str, Series]:
    """Runs all in turn, so that a busy moment of the machine hits everybody. Each is
    run as often as its number says; one that fails is left out, and says why."""
    times: dict[str, list[float]] = {name: [] for name in runners}
    for turn in range(max(count for _, count in runners.values())):
        for name, (runner, count) in runners.items():
            if turn < count and name in times:
                try:
                    times[name].append(runner())
                except Failed as error:
                    print(f"{name} is left out: {error}", file=sys.stderr)
                    del times[name]
    return {name: Series(tuple(values)) for name, values in times.items() if values}


# --- graphs ------------------------------------------------------------------------


def graph(shape: shapes.Shape, title: str, plan: Plan) -> list[Row]:
    """First step's start to last one's end against the floor; whole processes of all."""
    inner: dict[str, list[float]] = {FLOOR.name: [], TIDEMILL_RUN.name: []}

    def runner(contender: Contender) -> Runner:
        def once() -> float:
            times = contender.run(shape, plan.scratch / contender.name, PARALLELISM)
            if times.steps is not None:
                inner[contender.name].append(times.steps)
            return times.whole

        return once

    runners = {c.name: (runner(c), plan.repeats) for c in (FLOOR, TIDEMILL_RUN)}
    runners |= {peer.name: (runner(peer), plan.peer_repeats) for peer in plan.peers}
    whole = interleaved(runners)
    floor, ours = (Series(tuple(inner[name])) for name in (FLOOR.name, TIDEMILL_RUN.name))
    rows = [
        Row(title, "floor, steps", floor),
        Row(title, "tidemill, steps", ours, ours.median / floor.median, "floor", RUN_TARGET),
    ]
    return rows + [
        Row(title, f"{name}, process", series, _over(series, whole[TIDEMILL_RUN.name]), "tidemill")
        for name, series in whole.items()
    ]


def _over(series: Series, other: Series) -> float | None:
    return None if series is other else series.median / other.median


def wide(plan: Plan) -> list[Row]:
    count = plan.size(1000)
    return graph(shapes.wide(count), f"{count} independent steps", plan)


def chain(plan: Plan) -> list[Row]:
    count = plan.size(200)
    return graph(shapes.chain(count), f"chain of {count}", plan)


def layers(plan: Plan) -> list[Row]:
    width = plan.size(50)
    return graph(shapes.layers(10, width, 3), f"10 layers of {width}", plan)


# --- cold processes ----------------------------------------------------------------


def cold_hello(plan: Plan) -> list[Row]:
    title, shape = "hello, cold", shapes.hello()
    sqlmodel = [sys.executable, "-c", "import sqlmodel"]
    kept = plan.scratch / "kept"
    TIDEMILL_RUN.run(shape, kept, PARALLELISM)
    runners: dict[str, tuple[Runner, int]] = {
        "import sqlmodel": (lambda: timed(sqlmodel, HERE).seconds, plan.repeats),
        "tidemill, again": (lambda: TIDEMILL_RUN.again(kept, PARALLELISM).whole, plan.repeats),
    }
    for contender in (TIDEMILL_RUN, *plan.peers):
        folder, repeats = plan.scratch / contender.name, plan.repeats
        runners[contender.name] = (
            lambda c=contender, f=folder: c.run(shape, f, PARALLELISM).whole,  # type: ignore[misc]
            repeats if contender is TIDEMILL_RUN else plan.peer_repeats,
        )
    return against(
        "import sqlmodel", title, interleaved(runners), ("tidemill, again", "tidemill"), 2.5
    )


def start_up(plan: Plan) -> list[Row]:
    base = "import lark, click"
    folder = plan.scratch / "start"
    TIDEMILL_RUN.prepare(shapes.hello(), folder)
    commands = {
        base: [sys.executable, "-c", base],
        "--help": [TIDEMILL, "--help"],
        "validate": [TIDEMILL, "validate", "bench.tide"],
    }
    runners = {
        name: ((lambda c=command: timed(c, folder).seconds), 2 * plan.repeats)  # type: ignore[misc]
        for name, command in commands.items()
    }
    return against(base, "start-up", interleaved(runners), ("--help", "validate"), 2.0)


def against(
    base: str, title: str, series: Mapping[str, Series], bound: Iterable[str], target: float
) -> list[Row]:
    """Rows with their ratio to `base`; those that are `bound` have a target."""
    if base not in series:
        raise Failed(f"{title}: without {base!r} there is nothing to compare with")
    return [
        Row(title, name, one)
        if name == base
        else Row(
            title,
            name,
            one,
            one.median / series[base].median,
            base,
            target if name in bound else None,
        )
        for name, one in series.items()
    ]


# --- the language ------------------------------------------------------------------


def validation(plan: Plan) -> list[Row]:
    """A rich file, as a process: everything `validate` does against lark's bare parse.

    `unchanged` asks a second time, where an answer may come from a cache."""
    from generate import rich_file

    count = plan.size(1000)
    title, folder = f"validate {count} rich steps", plan.scratch / "rich"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    text = rich_file(count)
    rich = folder / "rich.tide"
    rich.write_text(text)
    turn = iter(range(10_000))

    def changed() -> float:
        rich.write_text(f"{text}# {next(turn)}\n")  # nothing may be answered from a cache
        return timed([TIDEMILL, "validate", "rich.tide"], folder).seconds

    def bare(what: str) -> Runner:
        command = [sys.executable, str(HERE / "bare_parse.py"), what, str(rich)]
        return lambda: float(timed(command, HERE).output)

    series = interleaved(
        {
            "lark's bare parse": (bare("lark"), plan.repeats),
            "parse, check, lower": (bare("tidelang"), plan.repeats),
            "tidemill validate, process": (changed, plan.repeats),
        }
    )
    return against("lark's bare parse", title, series, ("parse, check, lower",), 2.0)


def compiling(plan: Plan) -> list[Row]:
    """Files of many sizes: the whole compile against lark's bare parse, and whether the
    time for one step stays the same."""
    from generate import rich_file

    rows: list[Row] = []
    for count in (10, 100, 1_000, 5_000, plan.size(20_000)):
        file = plan.scratch / f"rich-{count}.tide"
        file.write_text(rich_file(count))
        commands = {
            what: [sys.executable, str(HERE / "bare_parse.py"), what, str(file)]
            for what in ("lark", "tidelang")
        }
        series = interleaved(
            {
                what: ((lambda c=command: float(timed(c, HERE).output)), plan.repeats)  # type: ignore[misc]
                for what, command in commands.items()
            }
        )
        rows += against("lark", f"compile {count:,} rich steps", series, ("tidelang",), 2.0)
    return rows


# --- memory ------------------------------------------------------------------------


def memory(plan: Plan) -> list[Row]:
    count, folder = plan.size(1000), plan.scratch / "memory"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_tide(shapes.wide(count), folder / "bench.tide")
    peak = memory_of(TIDEMILL_RUN.command(PARALLELISM), folder)
    title = f"memory, {count} independent steps"
    return [_memory(title, "tidemill, its process (RSS)", peak.own),
            _memory(title, "tidemill with helpers and steps (PSS)", peak.tree)]  # fmt: skip


def _memory(title: str, what: str, peak: int) -> Row:
    return Row(title, what, f"{peak / 1e6:.0f} MB", peak / MEMORY_TARGET, "120 MB", 1.0)


def processors() -> int:
    return len(os.sched_getaffinity(0))
