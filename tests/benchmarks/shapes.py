"""The graphs that every contender runs, and one file for each of them to read.

Every step is the same shell command (`true`), so what is measured is the runner."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Node:
    name: str
    needs: tuple[str, ...] = ()
    command: str = "true"


@dataclass(frozen=True)
class Shape:
    """A graph: no step stands before one that it needs."""

    name: str
    nodes: tuple[Node, ...]

    @property
    def needed(self) -> frozenset[str]:
        return frozenset(need for node in self.nodes for need in node.needs)

    @property
    def last(self) -> tuple[str, ...]:
        """The steps that nothing needs."""
        return tuple(node.name for node in self.nodes if node.name not in self.needed)


def hello() -> Shape:
    echo = "echo hello"
    return Shape("hello", (Node("a", (), echo), Node("b", ("a",), echo), Node("c", ("b",), echo)))


def wide(count: int) -> Shape:
    return Shape("wide", tuple(Node(f"s{n}") for n in range(count)))


def chain(count: int) -> Shape:
    return Shape("chain", tuple(Node(f"s{n}", (f"s{n - 1}",) if n else ()) for n in range(count)))


def layers(depth: int, width: int, fan_in: int) -> Shape:
    """Each step needs `fan_in` neighbours of the layer before."""

    def needs(layer: int, place: int) -> tuple[str, ...]:
        if layer == 0:
            return ()
        return tuple(f"l{layer - 1}_{(place + k) % width}" for k in range(fan_in))

    return Shape(
        "layers",
        tuple(Node(f"l{d}_{w}", needs(d, w)) for d in range(depth) for w in range(width)),
    )


# --- the files ---------------------------------------------------------------------


def as_json(shape: Shape, target: Path) -> None:
    """For the floor."""
    data = [{"name": n.name, "needs": n.needs, "command": n.command} for n in shape.nodes]
    target.write_text(json.dumps(data))


def as_tide(shape: Shape, target: Path) -> None:
    def step(node: Node) -> str:
        needs = f" needs = [{', '.join(node.needs)}]," if node.needs else ""
        return f'  step {node.name} {{{needs} run = "{node.command}" }}'

    steps = "\n".join(step(node) for node in shape.nodes)
    target.write_text(f"pipeline {shape.name} {{\n{steps}\n}}\n")


def as_make(shape: Shape, target: Path) -> None:
    names = " ".join(node.name for node in shape.nodes)
    rules = "".join(f"{n.name}: {' '.join(n.needs)}\n\t@sh -c '{n.command}'\n" for n in shape.nodes)
    target.write_text(f".PHONY: all {names}\nall: {names}\n{rules}")


def as_ninja(shape: Shape, target: Path) -> None:
    edges = "".join(
        f"build {n.name}: step {' '.join(n.needs)}\n  c = {n.command}\n" for n in shape.nodes
    )
    target.write_text(f"rule step\n  command = $c\n{edges}")


def as_doit(shape: Shape, target: Path) -> None:
    data = [(n.name, list(n.needs), n.command) for n in shape.nodes]
    target.write_text(
        f"STEPS = {data!r}\n"
        "def task_step():\n"
        "    for name, needs, command in STEPS:\n"
        "        yield {'name': name, 'actions': [['sh', '-c', command]],\n"
        "               'task_dep': ['step:' + need for need in needs]}\n"
    )


def as_luigi(shape: Shape, target: Path) -> None:
    """A luigi task is done when its target exists, so each leaves a file."""
    data = {n.name: (list(n.needs), n.command) for n in shape.nodes}
    target.write_text(
        "import subprocess\nimport luigi\n"
        f"STEPS = {data!r}\nLAST = {list(shape.last)!r}\n"
        "class Step(luigi.Task):\n"
        "    name = luigi.Parameter()\n"
        "    def requires(self):\n"
        "        return [Step(name=need) for need in STEPS[self.name][0]]\n"
        "    def output(self):\n"
        "        return luigi.LocalTarget('done/' + self.name)\n"
        "    def run(self):\n"
        "        subprocess.run(['sh', '-c', STEPS[self.name][1]], check=True,\n"
        "                       stdout=subprocess.PIPE)\n"
        "        with self.output().open('w'):\n"
        "            pass\n"
        "class All(luigi.WrapperTask):\n"
        "    def requires(self):\n"
        "        return [Step(name=name) for name in LAST]\n"
    )


def as_snakemake(shape: Shape, target: Path) -> None:
    """A snakemake rule is done when its output exists, so each leaves a file."""
    last = ", ".join(f"'done/{name}'" for name in shape.last)
    rules = "".join(
        f"rule {n.name}:\n    input: {[f'done/{need}' for need in n.needs]!r}\n"
        f"    output: touch('done/{n.name}')\n    shell: '{n.command}'\n"
        for n in shape.nodes
    )
    target.write_text(f"rule all:\n    input: {last}\n{rules}")
