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

_PRIORITY = Field(
    "priority",
    Type("enum", members=("critical", "high", "normal", "low", "bulk")),
    "Which tasks are started first where not all can be.",
    "normal",
)
_POOL = Field("pool", STRING, "The pool of workers that runs it.", "default")
_REGIONS = Field("regions", ANY, "Where to run it, the preferred region first.")
_DEADLINE = Field("deadline", _POSITIVE, "By when it is to have ended.")
_ON_DEADLINE = Field(
    "on_deadline",
    Type("enum", members=("notify", "cancel", "escalate")),
    "What is done when it has not.",
    "notify",
)
_PLACED = (_PRIORITY, _POOL, _REGIONS, _DEADLINE, _ON_DEADLINE)
_PLACED_BLOCKS = {"resources": "", "labels": ""}

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
    *_PLACED,
    blocks={
        "env": "",
        "retry": "",
        "executor": "KIND",
        "cache": "",
        "approve": "",
        **_PLACED_BLOCKS,
    },
    declarations=frozenset({"output"}),
)

TASK = Schema(
    "a task",
    {name: each for name, each in STEP.fields.items() if name != "needs"},
    STEP.blocks,
    declarations=STEP.declarations,
)

PIPELINE_CALL = schema(
    "a step that runs a pipeline",
    _NEEDS,
    _WHEN,
    _TIMEOUT,
    _MAX_PARALLEL,
    _ALLOW_FAILURE,
    _DESCRIPTION,
    _DEADLINE,
    _ON_DEADLINE,
    blocks={"retry": ""},
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
    *_PLACED,
    blocks={"env": "", "retry": "", "executor": "KIND", "cache": "", **_PLACED_BLOCKS},
)

RESOURCES = schema(
    "`resources`",
    Field("cpu", Type("float", low=0.001), "Cores."),
    Field("memory", Type("size", low=1), "Memory."),
    Field("disk", Type("size", low=1), "Room on the disk."),
    Field("gpu", Type("int", low=0), "Graphics processors."),
    open=True,
)
"""Beside these, whatever else workers say that they have so many of."""

LABELS = schema("`labels`", open=True)

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
    Field(
        "dst",
        Type("enum", members=("skip", "first", "both")),
        "What to do with times that the clocks leave out, or show twice, when they are changed.",
    ),
    Field("except", list_of(STRING), "Days on which nothing is started.", "[]"),
    Field("jitter", _DURATION, "Start up to so much later, by chance.", "0s"),
    Field("prewarm", _DURATION, "Get workers ready so much ahead.", "0s"),
)

EVENTS = (
    "started", "succeeded", "failed", "cancelled", "recovered", "deadline_at_risk",
    "deadline_missed", "approval_needed",
)  # fmt: skip
TOLD_BY_DEFAULT = ("failed", "recovered")

_ONLY_IF = Field("when", BOOL, "Whether an event starts a run.")
_GIVEN = Field("params", map_of(ANY), "Values for the pipeline's params.")
_KEYED = (
    Field("key", ANY, "What makes two events the same."),
    Field("dedupe", _POSITIVE, "For how long a key starts no second run.", "1h"),
    Field("debounce", _POSITIVE, "How long to wait for more events of the key."),
)

TRIGGERS = {
    "pipeline": schema(
        "`trigger pipeline`",
        Field(
            "on",
            list_of(Type("enum", members=("succeeded", "failed", "cancelled"))),
            "Which ends of the other pipeline's run start one.",
            "[succeeded]",
        ),
        _ONLY_IF,
        _GIVEN,
    ),
    "event": schema("`trigger event`", _ONLY_IF, _GIVEN, *_KEYED),
    "webhook": schema(
        "`trigger webhook`",
        Field("secret", Type("secret"), "What requests are signed with.", required=True),
        _ONLY_IF,
        _GIVEN,
        *_KEYED,
    ),
}

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
    Field("concurrency", _COUNT, "How many of its runs may be at work at a time."),
    _DEADLINE,
    _ON_DEADLINE,
    blocks={"schedule": "CRON", "trigger": "KIND NAME", "defaults": "", "notify": "KIND"},
    many=frozenset({"schedule", "trigger", "notify"}),
    declarations=frozenset({"param", "let", "step"}),
)

PARAM = schema("a param", _DESCRIPTION)

FILE = schema("a file", declarations=frozenset({"let", "pipeline", "import", "task"}))
