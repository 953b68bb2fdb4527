"""Who runs the shapes: Tidemill, the floor, and the peers that are installed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import shapes
from measure import Failed, Sample, timed

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PEERS = ROOT / ".bench-venv"
FROM_PYPI = ("doit", "luigi", "ninja", "snakemake")
TIDEMILL = str(Path(sys.executable).with_name("tidemill"))


@dataclass(frozen=True)
class Times:
    """`whole` is the process, `steps` from the first step's start to the last one's end
    where the contender can say so."""

    whole: float
    steps: float | None = None


@dataclass(frozen=True)
class Contender:
    """`write` makes the file a shape is read from, `command` is what runs it."""

    name: str
    file: str
    write: Callable[[shapes.Shape, Path], None]
    command: Callable[[int], list[str]]
    steps: Callable[[Sample, Path], float] | None = None

    def run(self, shape: shapes.Shape, folder: Path, parallelism: int) -> Times:
        """Runs a shape in a folder of its own, which is new for every run."""
        self.prepare(shape, folder)
        return self.again(folder, parallelism)

    def prepare(self, shape: shapes.Shape, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.write(shape, folder / self.file)

    def again(self, folder: Path, parallelism: int) -> Times:
        """The same once more, with what an earlier run left in the folder."""
        sample = timed(self.command(parallelism), folder)
        return Times(sample.seconds, self.steps(sample, folder) if self.steps else None)


def write_tide(shape: shapes.Shape, target: Path) -> None:
    target.with_name("tidemill.toml").touch()
    shapes.as_tide(shape, target)


def steps_of_tidemill(_sample: Sample, folder: Path) -> float:
    """From the times that the database holds."""
    data = json.loads(timed([TIDEMILL, "status", "--json"], folder).output)
    tasks = data["tasks"]
    if any(task["state"] != "succeeded" for task in tasks):
        raise Failed("a step of Tidemill's run did not succeed")
    return float(max(t["ended_at"] for t in tasks) - min(t["started_at"] for t in tasks))


TIDEMILL_RUN = Contender(
    "tidemill",
    "bench.tide",
    write_tide,
    lambda n: [TIDEMILL, "run", "bench.tide", "--max-parallel", str(n)],
    steps_of_tidemill,
)
FLOOR = Contender(
    "floor",
    "steps.json",
    shapes.as_json,
    lambda n: [sys.executable, str(HERE / "floor.py"), "steps.json", str(n)],
    lambda sample, _: float(sample.output),
)


def peers() -> list[Contender]:
    """Those that are installed, in the order of their speed."""
    tool = PEERS / "bin"
    return [
        peer
        for peer in (
            Contender("make", "Makefile", shapes.as_make, lambda n: ["make", "-s", f"-j{n}"]),
            Contender(
                "ninja",
                "build.ninja",
                shapes.as_ninja,
                lambda n: [str(tool / "ninja"), "--quiet", f"-j{n}"],
            ),
            Contender(
                "doit",
                "dodo.py",
                shapes.as_doit,
                lambda n: [str(tool / "doit"), "run", "-n", str(n), "-P", "thread"],
            ),
            Contender("luigi", "bench_luigi.py", shapes.as_luigi, _luigi),
            Contender("snakemake", "Snakefile", shapes.as_snakemake, _snakemake),
        )
        if shutil.which(peer.command(1)[0])
    ]


def _luigi(parallelism: int) -> list[str]:
    options = ["--local-scheduler", "--workers", str(parallelism), "--log-level", "WARNING"]
    path = "import sys; sys.path.insert(0, '.'); from luigi.cmdline import luigi_run; luigi_run()"
    python = str(PEERS / "bin" / "python")
    return [python, "-c", path, "--module", "bench_luigi", "All", *options]


def _snakemake(parallelism: int) -> list[str]:
    return [str(PEERS / "bin" / "snakemake"), "--cores", str(parallelism), "--quiet", "all"]


def install_peers() -> None:
    """Puts the peers into an environment of their own, one by one: one that does not
    install is left out of the table."""
    if not (PEERS / "bin" / "python").exists():
        venv.create(PEERS, with_pip=True)
    pip = [str(PEERS / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    for name in FROM_PYPI:
        if not (PEERS / "bin" / name).exists():
            subprocess.run([*pip, "--disable-pip-version-check", name], check=False)
