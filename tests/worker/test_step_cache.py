"""The cache of steps: what is a hit, what is a miss and why, and what is kept."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from engine_world import World, step
from hypothesis import given, settings
from hypothesis import strategies as st

from tidelang.definition import Cache, Executor, Loop, Output, Script, Step, Type, Variable
from tidelang.values import Secret, SecretName
from tidemill.artifacts.results import FolderResults
from tidemill.errors import TidemillError
from tidemill.model.changes import changes
from tidemill.model.fingerprint import LISTED, fingerprint
from tidemill.model.messages import CacheRule, Order
from tidemill.model.rows import TaskRef
from tidemill.ports import CachedResult

N = Output("n", Type("int"))
ALWAYS = Cache()
SOURCES = Cache(inputs=(("lit", "src/**"),))


def cached(name: str = "a", *needs: str, cache: Cache = ALWAYS, **fields: Any) -> Step:
    return step(name, *needs, **{"outputs": (N,), "cache": cache, **fields})


@asynccontextmanager
async def a_run(
    folder: Path, steps: Sequence[Step], *, later: float = 0.0, fresh: bool = False
) -> AsyncIterator[World]:
    """Another run in this folder."""
    world = World(folder, steps, fresh=fresh, later=later)
    async with world:
        yield world


async def ran(
    folder: Path, *steps: Step, code: int = 0, values: bytes = b"n=1\n", **options: Any
) -> bool:
    """Runs the steps, each of which ends like this; whether the first one was started."""
    async with a_run(folder, steps, **options) as world:
        while world.run_state() == "running":
            await world.settle()
            for key in world.at_work():
                await world.end(key, code, values)
        first = world.plan.instance(0).key
        return first in world.executor.started


def report(world: World, key: str = "a") -> dict[str, Any]:
    ordinal = world.row(key).ordinal
    query = (
        "SELECT cache FROM attempt"
        f" WHERE run = {world.run.number} AND ordinal = {ordinal} ORDER BY fence DESC"
    )
    with world.engine.connect() as connection:
        found: dict[str, Any] = json.loads(connection.exec_driver_sql(query).scalar() or "null")
    return found


async def test_a_second_run_takes_the_result_of_the_first(tmp_path: Path) -> None:
    use = Step("b", Script(("x",), (Variable("V", "value", ("get", ("ref", "step", "a"), "n")),)),
               needs=("a",))  # fmt: skip
    assert await ran(tmp_path, cached(), use, values=b"n=7\n")
    async with a_run(tmp_path, [cached(), use]) as world:
        await world.settle()
        row = world.row("a")
        assert (row.state.value, row.cached_from, row.exit_code) == ("succeeded", 1, 0)
        assert row.detail == "cached from run 1"
        assert row.outputs == {"n": 7}
        assert world.executor.started["b"][0].work.env["V"] == "7"
        assert report(world)["hit"] == 1


async def test_a_hit_of_a_hit_names_the_run_that_did_the_work(tmp_path: Path) -> None:
    for _ in range(2):
        await ran(tmp_path, cached())
    async with a_run(tmp_path, [cached()]) as world:
        await world.settle()
        assert world.row("a").cached_from == 1


@pytest.mark.parametrize(
    "other",
    [
        {"action": Script(("false",))},
        {"action": Script(("true",), interpreter=("bash",))},
        {"action": Script(("true",), in_file=True)},
        {"action": Script(("true",), (Variable("TIDE_V0", "value", ("lit", 1)),))},
        {"env": (("A", ("lit", "1")),)},
        {"workdir": ("lit", "sub")},
        {"executor": Executor("other")},
        {"executor": Executor("local", (("image", ("lit", "x")),))},
        {"outputs": (Output("n", Type("any")),)},
        {"cache": Cache(key=("lit", 2))},
        {"name": "other"},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_whatever_a_step_is_made_of_makes_another_result(
    tmp_path: Path, other: dict[str, Any]
) -> None:
    assert await ran(tmp_path, cached())
    assert await ran(tmp_path, replace(cached(), **other))
    assert not await ran(tmp_path, cached())


async def test_what_is_no_part_of_a_result_makes_no_other(tmp_path: Path) -> None:
    assert await ran(tmp_path, cached())
    assert not await ran(
        tmp_path,
        cached(timeout=1000, description="x", max_parallel=3, cache=Cache(max_age=10**9)),
        cached("z"),
    )


async def test_a_number_of_the_run_in_the_script_is_part_of_it(tmp_path: Path) -> None:
    script = Script(("x",), (Variable("TIDE_V0", "value", ("ref", "run", "number")),))
    counting = Step("a", script, cache=ALWAYS)
    assert await ran(tmp_path, counting)
    assert await ran(tmp_path, counting)


async def test_a_failure_is_not_kept(tmp_path: Path) -> None:
    assert await ran(tmp_path, cached(), code=1)
    assert await ran(tmp_path, cached())


async def test_a_bad_output_is_not_kept(tmp_path: Path) -> None:
    assert await ran(tmp_path, cached(), values=b"n=many\n")
    assert await ran(tmp_path, cached())


async def test_a_step_that_must_not_be_repeated_is_never_cached(tmp_path: Path) -> None:
    for _ in range(2):
        assert await ran(tmp_path, cached(idempotent=False))
    assert not (tmp_path / "results").exists()


async def test_a_fresh_run_reads_nothing_and_keeps_what_it_makes(tmp_path: Path) -> None:
    assert await ran(tmp_path, cached())
    assert await ran(tmp_path, cached(), values=b"n=2\n", fresh=True)
    async with a_run(tmp_path, [cached()]) as world:
        await world.settle()
        assert (world.row("a").outputs, world.row("a").cached_from) == ({"n": 2}, 2)


async def test_a_result_gets_too_old(tmp_path: Path) -> None:
    hour = cached(cache=Cache(max_age=3_600_000))
    assert await ran(tmp_path, hour)
    assert not await ran(tmp_path, hour, later=3_500)
    async with a_run(tmp_path, [hour], later=3_700) as world:
        await world.settle()
        await world.end("a", values=b"n=1\n")
        await world.settle()
        assert report(world)["reason"] == "the result of run 1 is older than `max_age`"


async def test_each_instance_of_a_fan_out_has_a_result_of_its_own(tmp_path: Path) -> None:
    def wide(*items: int) -> Step:
        return cached(loop=Loop(("v",), ("list", tuple(("lit", i) for i in items))))

    await ran(tmp_path, wide(1, 2))
    async with a_run(tmp_path, [wide(1, 2, 3)]) as world:
        await world.settle()
        assert world.at_work() == ["a[3]"]


async def test_outputs_that_are_used_are_part_of_the_key(tmp_path: Path) -> None:
    made = step("m", outputs=(N,))
    script = Script(("x",), (Variable("TIDE_V0", "value", ("get", ("ref", "step", "m"), "n")),))
    use = Step("a", script, needs=("m",), cache=ALWAYS)

    async def uses(values: bytes) -> dict[str, Any]:
        async with a_run(tmp_path, [made, use]) as world:
            await world.end("m", values=values)
            await world.settle()
            if world.at_work():
                await world.end("a")
                await world.settle()
            return report(world)

    first, second, third = [await uses(values) for values in (b"n=1\n", b"n=2\n", b"n=1\n")]
    assert [first["hit"], second["hit"], third["hit"]] == [None, None, 1]
    assert changes(first["parts"], second["parts"]).changed == ("env TIDE_V0", "output n of m")


async def test_input_files_are_part_of_the_key(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    source = tmp_path / "src/a.py"
    source.write_text("1")
    assert await ran(tmp_path, cached(cache=SOURCES))
    os.utime(source, (1, 1))
    assert not await ran(tmp_path, cached(cache=SOURCES))
    source.write_text("2")
    assert await ran(tmp_path, cached(cache=SOURCES))
    source.chmod(0o755)
    assert await ran(tmp_path, cached(cache=SOURCES))
    source.chmod(0o705)
    assert not await ran(tmp_path, cached(cache=SOURCES))
    (tmp_path / "other").write_text("1")
    assert not await ran(tmp_path, cached(cache=SOURCES))


async def test_patterns_may_come_as_a_list_from_an_expression(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("1")
    listed = Cache(inputs=(("list", (("lit", "x"), ("lit", "y"))),))
    assert await ran(tmp_path, cached(cache=listed))
    (tmp_path / "y").write_text("1")
    assert await ran(tmp_path, cached(cache=listed))


async def test_an_input_that_cannot_be_read_fails_the_step_in_words(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src/broken").symlink_to("/proc/self/mem")
    async with a_run(tmp_path, [cached(cache=SOURCES)]) as world:
        await world.settle()
        assert world.state("a") == "failed"
        assert "the input src/broken cannot be read" in world.row("a").detail


async def test_nothing_is_kept_where_an_input_changed_while_the_step_ran(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    async with a_run(tmp_path, [cached(cache=SOURCES)]) as world:
        await world.settle()
        (tmp_path / "src/new").touch()
        await world.end("a", values=b"n=1\n")
        await world.settle()
        assert world.state("a") == "succeeded"
    assert names(tmp_path, "results/*/*") == []
    assert await ran(tmp_path, cached(cache=SOURCES))


def names(folder: Path, pattern: str) -> list[str]:
    return sorted(path.name for path in folder.glob(pattern))


def damaged(results: Path, how: str) -> None:
    (entry,) = results.glob("*/*.json")
    match how:
        case "empty":
            entry.write_bytes(b"")
        case "short":
            entry.write_bytes(entry.read_bytes()[:-3])
        case "flipped":
            entry.write_bytes(entry.read_bytes().replace(b'"n":1', b'"n":2'))
        case "folder":
            entry.unlink()
            entry.mkdir()
        case "digest":
            entry.write_bytes(b"0" * 64 + entry.read_bytes()[64:])
        case "gone":
            entry.unlink()


@pytest.mark.parametrize("how", ["empty", "short", "flipped", "folder", "gone"])
async def test_a_damaged_result_is_a_miss_that_says_so_and_is_replaced(
    tmp_path: Path, how: str
) -> None:
    assert await ran(tmp_path, cached())
    damaged(tmp_path / "results", how)
    async with a_run(tmp_path, [cached()]) as world:
        await world.settle()
        assert world.at_work() == ["a"]
        await world.end("a", values=b"n=3\n")
        await world.settle()
        assert world.row("a").outputs == {"n": 3}
        reason = report(world)["reason"]
        assert reason.startswith("the result cannot be used") == (how != "gone")
    if how != "folder":
        assert not await ran(tmp_path, cached())


async def test_runs_that_keep_the_same_result_do_not_disturb_each_other(tmp_path: Path) -> None:
    results = FolderResults(tmp_path)
    many = [CachedResult("p", "a", n, 1.0, {"n": "x" * n * 1000}, {}) for n in range(20)]

    async def look() -> None:
        for _ in range(50):
            found = await results.find("ab" * 32)
            assert found is None or found in many

    await asyncio.gather(look(), *(results.keep("ab" * 32, result) for result in many), look())
    assert await results.find("ab" * 32) in many
    assert names(tmp_path, "*") == ["ab"]


async def test_a_result_half_written_by_a_killed_process_is_none(tmp_path: Path) -> None:
    assert await ran(tmp_path, cached())
    (entry,) = (tmp_path / "results").glob("*/*.json")
    (tmp_path / "results/new-killed").write_bytes(entry.read_bytes()[:50])
    entry.unlink()
    assert await ran(tmp_path, cached())


async def test_a_place_where_nothing_can_be_kept_costs_the_step_nothing(tmp_path: Path) -> None:
    (tmp_path / "results").touch()
    for _ in range(2):
        assert await ran(tmp_path, cached())


async def test_of_what_was_kept_none_is_found_under_a_wrong_digest(tmp_path: Path) -> None:
    results = FolderResults(tmp_path)
    await results.keep("ab" * 32, CachedResult("p", "a", 1, 1.0, {}, {}))
    damaged(tmp_path, "digest")
    with pytest.raises(TidemillError, match="is damaged"):
        await results.find("ab" * 32)


# --- the key ---------------------------------------------------------------------------


def order(**changes: Any) -> Order:
    fields: dict[str, Any] = {
        "ref": TaskRef(1, 0), "fence": 1, "key": "a", "step": "a", "attempt": 1,
        "pool": "default", "priority": 2, "idempotency_key": "i",
        "script": {"text": "true", "interpreter": ("sh",), "in_file": False}, "argv": None,
        "env": {"TIDE_PIPELINE": "p", "A": "1"}, "workdir": ".", "executor": "local",
        "settings": {}, "cache": CacheRule(),
    }  # fmt: skip
    return Order(**{**fields, **changes})


def test_the_parts_name_no_value() -> None:
    token = Secret(("Bearer ", SecretName("TOKEN")))
    made = fingerprint(order(env={"PASSWORD": "hunter2"}, secret_env={"T": token}), [])
    assert {"env PASSWORD", "secret T"} <= made.parts.keys()
    assert "hunter2" not in str(made)
    other = Secret(("Bearer ", SecretName("OTHER")))
    again = fingerprint(order(env={"PASSWORD": "hunter2"}, secret_env={"T": other}), [])
    assert changes(made.parts, again.parts).changed == ("secret T",)


def test_thousands_of_files_are_summed_up_and_still_all_count() -> None:
    files = [(f"file src/{n}", str(n)) for n in range(LISTED + 1)]
    made = fingerprint(order(), files)
    assert [label for label in made.parts if label.startswith("file")] == ["files src/"]
    other = fingerprint(order(), [*files[:-1], ("file src/x", "1")])
    assert made.key != other.key
    assert changes(made.parts, other.parts).changed == ("files src/",)


_PARTS = st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=4)


@settings(max_examples=200, deadline=None, database=None)
@given(_PARTS, _PARTS, _PARTS, _PARTS)
def test_equal_parts_and_only_those_give_an_equal_key(
    env: dict[str, str], files: dict[str, str], other_env: dict[str, str], others: dict[str, str]
) -> None:
    one = fingerprint(order(env=env), files.items())
    same = fingerprint(order(env=dict(reversed(env.items()))), reversed(files.items()))
    assert one == same
    other = fingerprint(order(env=other_env), others.items())
    assert (one.key == other.key) == ((env, files) == (other_env, others))


@pytest.mark.parametrize(
    "facts",
    [{"ref": TaskRef(2, 5)}, {"fence": 9}, {"attempt": 2}, {"timeout": 5.0}, {"priority": 0},
     {"idempotency_key": "x"}, {"cache": CacheRule(max_age=1.0, read=False)},
     {"env": {"TIDE_PIPELINE": "p", "A": "1", "TIDE_RUN": "9", "TIDE_FENCE": "4"}}],
    ids=str,
)  # fmt: skip
def test_what_differs_from_run_to_run_is_no_part(facts: dict[str, Any]) -> None:
    assert fingerprint(order(**facts), []) == fingerprint(order(), [])
