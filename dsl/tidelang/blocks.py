"""The language's own blocks: what stands in a pipeline, a step, `retry`, and so on."""

from __future__ import annotations

from tidelang.definition import Type
from tidelang.schema import Field, Schema, schema
from tidelang.types import ANY, BOOL, STRING, list_of, map_of

_POSITIVE = Type("duration", low=1)
_DURATION = Type("duration", low=0)
_COUNT = Type("int", low=1, high=10_000)
_PATH = STRING

_NEEDS = Field("needs", list_of(ANY), "Steps to wait for, beside those whose outputs are used.")
_DESCRIPTION = Field("description", STRING, "What it is for, shown to people.")
_MAX_PARALLEL = Field("max_parallel", _COUNT, "How many of its tasks may run at a time.")
_TIMEOUT = Field("timeout", _POSITIVE, "How long one attempt may take.")
_WORKDIR = Field("workdir", _PATH, "The folder to run in, from the project's root.", '"."')
_IDEMPOTENT = Field("idempotent", BOOL, "Whether it may be run again after a loss.", "true")

_LATER = frozenset({
    "concurrency", "deadline", "labels", "pool", "prewarm",
    "priority", "regions", "resources", "services", "trigger", "artifacts",
})  # fmt: skip

_WHEN = Field("when", BOOL, "Whether it runs, once all that it needs has ended.")
_ALLOW_FAILURE = Field(
    "allow_failure", BOOL, "Whether the run goes on as if it had succeeded.", "false"
)

STEP = schema(
    "a step",
    Field("run", ANY, "A script, or a list: a program and its arguments."),
    _NEEDS,
    _WHEN,
    _TIMEOUT,
    _WORKDIR,
    _MAX_PARALLEL,
    _ALLOW_FAILURE,
    _IDEMPOTENT,
    _DESCRIPTION,
    blocks={"env": "", "retry": "", "executor": "KIND", "cache": "", "approve": ""},
    declarations=frozenset({"output"}),
    later=_LATER,
)

TASK = Schema(
    "a task",
    {name: each for name, each in STEP.fields.items() if name != "needs"},
    STEP.blocks,
    declarations=STEP.declarations,
    later=_LATER,
)

PIPELINE_CALL = schema(
    "a step that runs a pipeline",
    _NEEDS,
    _WHEN,
    _TIMEOUT,
    _MAX_PARALLEL,
    _ALLOW_FAILURE,
    _DESCRIPTION,
    blocks={"retry": ""},
    later=_LATER,
)

APPROVAL_STEP = ("needs", "when", "max_parallel", "allow_failure", "description")
"""What a step takes beside `approve`: the rest is about running something."""

APPROVE = schema(
    "`approve`",
    Field("prompt", STRING, "What the one who approves is asked."),
    Field("by", list_of(STRING), "The users or groups that may approve; anybody if left out."),
    Field("timeout", _POSITIVE, "How long to wait; then the step has timed out."),
)

CACHE = schema(
    "`cache`",
    Field("inputs", list_of(STRING), "Patterns of the files that the step reads.", "[]"),
    Field("key", ANY, "A value: when it changes, the step runs again."),
    Field("max_age", _POSITIVE, "How old a result may be that is used again."),
)

DEFAULTS = schema(
    "`defaults`",
    _TIMEOUT,
    _WORKDIR,
    _IDEMPOTENT,
    blocks={"env": "", "retry": "", "executor": "KIND", "cache": ""},
    later=_LATER,
)

ENV = schema("`env`", open=True)

RETRY = schema(
    "`retry`",
    Field("attempts", Type("int", low=1, high=100), "How often at most, the first included.", "1"),
    Field("backoff", _DURATION, "How long to wait before the second attempt.", "1s"),
    Field("factor", Type("float", low=1, high=100), "By what the wait grows each time.", "2"),
    Field("max", _DURATION, "The longest wait.", "1m"),
    Field(
        "on",
        list_of(Type("enum", members=("failed", "timeout", "lost"))),
        "Which ends are tried again.",
        "[failed, timeout, lost]",
    ),
)

SCHEDULE = schema(
    "`schedule`",
    Field("timezone", STRING, "The IANA time zone that cron fields are read in.", '"UTC"'),
    Field("params", map_of(ANY), "Values for the pipeline's params."),
    Field(
        "overlap",
        Type("enum", members=("allow", "skip", "queue", "replace")),
        "What to do when the last run is still going.",
        "skip",
    ),
    Field(
        "catchup",
        Type("enum", members=("none", "latest", "all")),
        "What to do with times missed while down.",
        "latest",
    ),
    Field("jitter", _DURATION, "Start up to so much later, by chance.", "0s"),
    later=frozenset({"prewarm", "deadline"}),
)

EVENTS = (
    "started", "succeeded", "failed", "cancelled", "recovered", "deadline_at_risk",
    "deadline_missed", "approval_needed",
)  # fmt: skip
TOLD_BY_DEFAULT = ("failed", "recovered")

NOTIFY = schema(
    "`notify`",
    Field(
        "on",
        list_of(Type("enum", members=EVENTS)),
        "What is told of.",
        "[failed, recovered]",
    ),
)
"""Beside these, the settings of its plugin."""

PIPELINE = schema(
    "a pipeline",
    _DESCRIPTION,
    Field("max_parallel", _COUNT, "How many tasks of a run may run at a time."),
    blocks={"schedule": "CRON", "defaults": "", "notify": "KIND"},
    many=frozenset({"schedule", "notify"}),
    declarations=frozenset({"param", "let", "step"}),
    later=_LATER,
)

PARAM = schema("a param", _DESCRIPTION)

FILE = schema("a file", declarations=frozenset({"let", "pipeline", "import", "task"}))
