"""What is sent: a notice and the settings of its notifier, put together from what is stored,
what templates make of it, and the values of secrets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tidelang import values
from tidelang.definition import Notification
from tidelang.evaluate import EvaluationError, Scope, evaluate
from tidemill.engine.plans import plan_of
from tidemill.engine.scopes import run_space
from tidemill.model.masking import Mask
from tidemill.model.rows import NoticeRow, RunRow
from tidemill.model.settings import SecretSettings, with_secrets, work_out
from tidemill.ports import BadEnd, Notifiers, Secrets, TemplateError, Templates, Transaction
from tidemill.spi import Notice

NAMED = 5
"""Tasks that are named in a message about a run that failed."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A message that is yet without its secrets, and without what its templates make."""

    kind: str
    notice: Notice
    settings: Mapping[str, Any]
    secrets: SecretSettings
    names: Mapping[str, values.Value]
    """What its templates may use."""


def draft(tx: Transaction, row: NoticeRow) -> Draft:
    """Reads what a stored notice is about.

    Raises:
        TemplateError: a setting has no value.
    """
    (run,) = tx.runs([row.run])
    run = run._replace(state=row.state)
    plan = plan_of(run, tx.definition(run.digest))
    block = plan.definition.notifications[row.block]
    detail = row.detail
    if row.event == "failed":
        detail = _what_failed(tx.bad_ends(run.number, NAMED + 1)) or run.detail
    return draft_of(block, row, run, plan.params, plan.lets, detail)


def draft_of(
    block: Notification,
    row: NoticeRow,
    run: RunRow,
    params: Mapping[str, values.Value],
    lets: Mapping[str, values.Value],
    detail: str,
) -> Draft:
    """The same, of what has been read."""
    facts = run_space(run, attempt=1)
    scope = Scope({"param": params, "let": lets, "run": facts})

    def value(name: str, expr: Any) -> values.Value:
        try:
            return evaluate(expr, scope)
        except EvaluationError as error:
            raise TemplateError(f"setting {name} of notify {block.kind}: {error}") from None

    settings, secrets = work_out(block.settings, value)
    notice = Notice(
        id=f"{run.pipeline}-{run.number}-{_stamp(run.created_at)}-{row.number}",
        event=row.event,
        at=row.at,
        run=dict(facts),
        step=row.step,
        detail=detail,
        tries=row.tries - 1,
    )
    event: values.Value = {"kind": row.event, "step": row.step, "detail": detail}
    told = {n: v for n, v in {**params, **lets}.items() if not _is_secret(v)}
    return Draft(block.kind, notice, settings, secrets, {**told, "run": facts, "event": event})


def _stamp(at: float) -> str:
    """Numbers of runs begin again in another database; who gets messages from both must be
    able to tell them apart."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y%m%dT%H%M%S")


async def finish(
    draft: Draft, notifiers: Notifiers, templates: Templates, secrets: Secrets
) -> tuple[Any, Mask]:
    """The settings as the notifier gets them, and what hides the secrets among them.

    Raises:
        TemplateError: a template cannot be filled in.
        TidemillError: a secret is not there, or the notifier cannot be used.
    """
    names = frozenset[str]().union(*(value.names for _, value in draft.secrets))
    known = await secrets.get(names) if names else {}
    settings = with_secrets(draft.settings, draft.secrets, known)
    sources = notifiers.templates(draft.kind)
    wanted = {name: settings.get(name, default) for name, default in sources.items()}
    texts = await templates.render({n: s for n, s in wanted.items() if s}, draft.names)
    return notifiers.settings(draft.kind, {**settings, **texts}), Mask(known)


def _what_failed(ends: Sequence[BadEnd]) -> str:
    named = [_in_words(end) for end in ends[:NAMED]]
    more = ["and more"] if len(ends) > NAMED else []
    return "; ".join([*named, *more])


def _in_words(end: BadEnd) -> str:
    state = end.state.value.replace("_", " ")
    how = f"exit code {end.exit_code}" if end.exit_code else end.detail
    return f"{end.key} {state}" + (f" ({how})" if how else "")


def _is_secret(value: values.Value) -> bool:
    if isinstance(value, values.Secret):
        return True
    inner: Iterable[values.Value] = ()
    if isinstance(value, dict):
        inner = value.values()
    elif isinstance(value, list):
        inner = value
    return any(map(_is_secret, inner))
