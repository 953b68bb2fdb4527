"""`deadline` and `on_deadline`: by when something is to have ended, and what if not."""

from __future__ import annotations

from dataclasses import dataclass

from tidelang.checking.bodies import Parts, setting
from tidelang.checking.context import Context
from tidelang.definition import Deadline
from tidelang.schema import Schema
from tidelang.source import Span
from tidelang.values import Duration


@dataclass(frozen=True, slots=True)
class Due:
    """`deadline` and `on_deadline` as a body has them, and where. None is what it does
    not say."""

    after: Duration | None = None
    action: str | None = None
    span: Span | None = None
    action_span: Span | None = None

    def over(self, base: Due) -> Due:
        """Laid over that of `defaults`, one by one."""
        after = self if self.after is not None else base
        action = self if self.action is not None else base
        return Due(after.after, action.action, after.span, action.action_span)

    def rule(self) -> Deadline | None:
        return None if self.after is None else Deadline(int(self.after), self.action or "notify")


def read_deadline(ctx: Context, parts: Parts, schema: Schema) -> Due:
    """What a body says of it."""
    after = setting(ctx, parts, schema, "deadline")
    action = setting(ctx, parts, schema, "on_deadline")
    attribute = parts.attributes.get("deadline")
    word = parts.attributes.get("on_deadline")
    return Due(
        after if isinstance(after, Duration) else None,
        action if isinstance(action, str) else None,
        attribute.value.span if attribute else None,
        word.name_span if word else None,
    )
