"""Graphs of real workflows, task by task.

The graphs are those of executions that WfCommons publishes (Coleman et al., 2022): each is
generated here from the counts that make it, with the same needs of every single task; that
they are the same graphs was checked against the ones in the package wfcommons 1.6. The usual
durations are near to the means of each kind of task that were recorded in executions
(wfcommons/WfInstances at 4d1d2d5a1fe7). Not all are means that were read there: genome's
`individuals_merge` and epigenomics' `mapMerge` and `chr21` are estimates within the published
ranges, some more follow from published sums, montage's are of a smaller instance (005d), and
seismology's of a distribution that was fitted. How much the tasks of a kind differ is given
beside them, as standard deviation over mean.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from tidelang.definition import Argv, Definition, Step
from tidemill.model.messages import PRIORITIES
from tidemill.model.plan import Plan, make_plan

Kinds = Mapping[str, tuple[float, float]]
"""Seconds of a kind of task in the mean, and how much they differ from task to task."""


@dataclass(frozen=True, eq=False)
class Graph:
    """`usual` are the seconds that a task takes in the mean over runs, by the index of its
    step. Steps `aside` take no slot: they wait for people, or for runs of their own. `ranks`
    are those of the steps, where they differ from their run's."""

    name: str
    plan: Plan
    usual: tuple[float, ...]
    aside: frozenset[int] = frozenset()
    ranks: tuple[int, ...] = ()

    @property
    def pipeline(self) -> str:
        return self.plan.definition.name

    @property
    def work(self) -> float:
        """Seconds of all tasks."""
        pairs = zip(self.usual, self.plan.steps, strict=True)
        return sum(s * len(p.counted) for s, p in pairs if p.index not in self.aside)

    @property
    def means(self) -> dict[str, float]:
        return {step.step.name: s for step, s in zip(self.plan.steps, self.usual, strict=True)}

    def definition(self, rank: int) -> Definition:
        """With this priority for all its steps."""
        found, word = self.plan.definition, PRIORITIES[rank]
        return replace(found, steps=tuple(replace(step, priority=word) for step in found.steps))


@dataclass
class Sketch:
    """A graph that is being made: a step for each task, as a generated file has it."""

    name: str
    kinds: Kinds
    steps: list[Step] = field(default_factory=list)
    usual: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._dice = random.Random(self.name)  # noqa: S311  no secret

    def add(self, kind: str, *needs: str) -> str:
        name = f"{kind}_{len(self.steps)}"
        self.steps.append(Step(name, Argv((("lit", kind),)), needs=needs))
        self.usual.append(varied(self._dice, *self.kinds[kind]))
        return name

    def many(self, kind: str, count: int, *needs: str) -> list[str]:
        return [self.add(kind, *needs) for _ in range(count)]

    def done(self) -> Graph:
        plan = make_plan(Definition(self.name, steps=tuple(self.steps)), {})
        return Graph(self.name, plan, tuple(self.usual))


def varied(dice: random.Random, mean: float, differ: float) -> float:
    """Log-normal, with this mean and this standard deviation over it."""
    square = math.log(1 + differ * differ)
    return dice.lognormvariate(math.log(mean) - square / 2, math.sqrt(square))


OVERLAPS = (
    (1, 2, 7, 8, 11, 12, 15), (2, 3, 4, 7, 8, 11, 12, 13, 14, 15),
    (3, 4, 5, 6, 7, 9, 10, 11, 12), (4, 6, 9, 10, 11, 13, 14, 15),
    (6, 9, 10, 11, 13, 14, 15), (7, 10, 11, 12), (9, 10, 11), (10, 11, 12), (11, 12, 15),
    (10, 11), (11, 12), (12, 13, 14, 15), (15,), (14, 15), (15,),
)  # fmt: skip
"""Of the 16 images of a band: with which later ones each overlaps."""


def montage() -> Graph:
    """A mosaic of images of the sky, in three colours: montage-chameleon-2mass-015d-001."""
    sketch = Sketch("montage", {
        "mProject": (17, 0.1), "mDiffFit": (0.25, 0.7), "mConcatFit": (0.2, 0.1),
        "mBgModel": (0.8, 0.1), "mBackground": (0.45, 0.3), "mImgtbl": (0.16, 0.1),
        "mAdd": (0.18, 0.1), "mViewer": (0.15, 0.3),
    })  # fmt: skip
    mosaics = []
    for _ in range(3):
        images = sketch.many("mProject", 16)
        pairs = [(a, b) for a, others in enumerate(OVERLAPS) for b in others]
        fits = [sketch.add("mDiffFit", images[a], images[b]) for a, b in pairs]
        model = sketch.add("mBgModel", sketch.add("mConcatFit", *fits))
        flat = [sketch.add("mBackground", image, model) for image in images]
        mosaics.append(sketch.add("mAdd", *flat, sketch.add("mImgtbl", *flat)))
        sketch.add("mViewer", mosaics[-1])
    sketch.add("mViewer", *mosaics)
    return sketch.done()


def epigenomics() -> Graph:
    """Mapping of DNA methylation, three lanes of a sequencer that were cut into pieces:
    epigenomics-chameleon-ilmn-3seq-100k-001."""
    sketch = Sketch("epigenomics", {
        "fastqSplit": (1.3, 0.1), "filterContams": (11.6, 0.5), "sol2sanger": (6.2, 0.9),
        "fast2bfq": (1.3, 0.7), "map": (48, 0.15), "mapMerge": (3, 0.3), "chr21": (3, 0.1),
        "pileup": (24.5, 0.1),
    })  # fmt: skip
    merged = []
    for pieces in (30, 34, 35):
        split, maps = sketch.add("fastqSplit"), []
        for _ in range(pieces):
            last = split
            for kind in ("filterContams", "sol2sanger", "fast2bfq", "map"):
                last = sketch.add(kind, last)
            maps.append(last)
        merged.append(sketch.add("mapMerge", *maps))
    sketch.add("pileup", sketch.add("chr21", sketch.add("mapMerge", *merged)))
    return sketch.done()


def genome() -> Graph:
    """Mutations in four chromosomes of the 1000 Genomes Project:
    1000genome-chameleon-4ch-250k-001."""
    sketch = Sketch("genome", {
        "individuals": (56, 0.15), "individuals_merge": (60, 0.3), "sifting": (5, 0.5),
        "mutation_overlap": (5, 0.8), "frequency": (100, 0.05),
    })  # fmt: skip
    for _ in range(4):
        merge = sketch.add("individuals_merge", *sketch.many("individuals", 25))
        sift = sketch.add("sifting")
        for kind in ("mutation_overlap", "frequency"):
            sketch.many(kind, 7, merge, sift)
    return sketch.done()


def cycles() -> Graph:
    """A model of crops, at two places: cycles-chameleon-2l-1c-12p-001."""
    sketch = Sketch("cycles", {
        "baseline": (15, 0.1), "cycles": (14, 0.1), "fertilizer": (15, 0.1),
        "parser": (0.054, 0.1), "summary": (0.06, 0.1), "plots": (127, 0.05),
    })  # fmt: skip
    summaries = []
    for _ in range(2):
        cycled, parsed = [], []
        for _ in range(54):
            base = sketch.add("baseline")
            cycled.append(sketch.add("cycles", base))
            parsed.append(sketch.add("parser", cycled[-1], sketch.add("fertilizer", base)))
        summaries.append(sketch.add("summary", *cycled))
        sketch.add("summary", *parsed)
    sketch.add("plots", *summaries)
    return sketch.done()


def seismology() -> Graph:
    """Deconvolution of 200 signals: seismology-chameleon-200p-001. The durations are those of
    the distribution that WfCommons has fitted."""
    sketch = Sketch("seismology", {"decon": (2.7, 0.55), "wrapper": (0.3, 0.1)})
    sketch.add("wrapper", *sketch.many("decon", 200))
    return sketch.done()


def blast() -> Graph:
    """A search in a database of nucleotides: blast-chameleon-small-001."""
    kinds = {"split": (0.05, 0.1), "blastall": (9.6, 0.04), "cat": (0.03, 0.5)}
    sketch = Sketch("blast", kinds)
    found = sketch.many("blastall", 40, sketch.add("split"))
    sketch.many("cat", 2, *found)
    return sketch.done()


def bwa() -> Graph:
    """An alignment of short reads, to an index that is made first: bwa-chameleon-small-001."""
    sketch = Sketch("bwa", {
        "reduce": (0.05, 0.1), "index": (80.7, 0.1), "bwa": (3, 0.5), "cat": (0.3, 0.9),
    })  # fmt: skip
    aligned = sketch.many("bwa", 100, sketch.add("reduce"), sketch.add("index"))
    sketch.many("cat", 2, *aligned)
    return sketch.done()


def soykb() -> Graph:
    """Genotypes of soybean: soykb-chameleon-10fastq-10ch-001."""
    sketch = Sketch("soykb", {
        "align": (3.3, 0.1), "sort": (4, 0.2), "dedup": (5.7, 0.2), "add_replace": (3.5, 0.1),
        "targets": (94.5, 0.05), "realign": (25, 0.4), "haplotype": (137, 0.4),
        "merge_gcvf": (2562, 0.05), "genotype": (130, 0.05), "combine": (5.6, 0.1),
        "select": (136, 0.05), "filtering": (68, 0.05),
    })  # fmt: skip
    by_chromosome: list[list[str]] = [[] for _ in range(10)]
    for _ in range(5):
        replaced = sketch.add("align")
        for kind in ("sort", "dedup", "add_replace"):
            replaced = sketch.add(kind, replaced)
        realigned = sketch.add("realign", replaced, sketch.add("targets", replaced))
        for calls in by_chromosome:
            calls.append(sketch.add("haplotype", realigned))
    sketch.add("merge_gcvf", *(call for calls in by_chromosome for call in calls))
    combined = sketch.add("combine", *(sketch.add("genotype", *c) for c in by_chromosome))
    for _ in range(2):
        sketch.add("filtering", sketch.add("select", combined))
    return sketch.done()


def srasearch() -> Graph:
    """A search in the Sequence Read Archive: srasearch-chameleon-20a-001."""
    sketch = Sketch("srasearch", {
        "build": (12, 0.1), "dump": (2256, 0.4), "bowtie": (52, 0.3), "merge": (0.24, 0.1),
    })  # fmt: skip
    build = sketch.add("build")
    sketch.add("merge", *(sketch.add("bowtie", build, sketch.add("dump")) for _ in range(20)))
    return sketch.done()


def forked() -> Graph:
    """No published one: a chain of long steps that starts beside a crowd of short ones."""
    sketch = Sketch("forked", {"noise": (10, 0.3), "chain": (90, 0.3), "end": (5, 0.1)})
    noise = sketch.many("noise", 300)
    chain = sketch.add("chain")
    for _ in range(3):
        chain = sketch.add("chain", chain)
    sketch.add("end", chain, *noise)
    return sketch.done()


MAKERS: tuple[Callable[[], Graph], ...] = (
    montage, epigenomics, genome, cycles, seismology, blast, bwa, soykb, srasearch,
)  # fmt: skip


def published() -> list[Graph]:
    return [make() for make in MAKERS]
