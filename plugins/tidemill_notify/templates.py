"""What messages say where a file does not write its own: Jinja2 documents."""

from __future__ import annotations

_VERBS = (
    '{{ {"started": "has started", "cancelled": "was cancelled", "recovered": "works again", '
    '"deadline_at_risk": "may miss its deadline", "deadline_missed": "has missed its deadline", '
    '"approval_needed": "waits for approval", "test": "is only named in a test message"}'
    ".get(event.kind, event.kind) }}"
)
_SIGNS = (
    '{{ {"succeeded": ":white_check_mark:", "recovered": ":white_check_mark:", "failed": ":x:", '
    '"deadline_missed": ":x:", "deadline_at_risk": ":warning:", "approval_needed": ":raised_hand:"}'
    '.get(event.kind, ":information_source:") }}'
)
_WHERE = "{% if event.step %} (step {{ event.step }}){% endif %}"

SUBJECT = "{{ run.pipeline }} #{{ run.number }} " + _VERBS + _WHERE
"""One line: `release #12 failed (step test)`."""

LINE = SUBJECT + "{% if event.detail %}: {{ event.detail }}{% endif %}"

MRKDWN = (
    '{% filter replace("&", "&amp;") | replace("<", "&lt;") | replace(">", "&gt;") %}'
    + _SIGNS
    + " *{{ run.pipeline }} #{{ run.number }}* "
    + _VERBS
    + "{% if event.step %} (step `{{ event.step }}`){% endif %}"
    + "{% if event.detail %}\n{{ event.detail }}{% endif %}"
    + "{% endfilter %}"
)
"""Slack's own markup. These three characters are all that Slack takes for a mention or a
link: what a step has written must not call a whole channel."""

LETTER = (
    SUBJECT
    + "\n{% if event.detail %}\n{{ event.detail }}\n{% endif %}"
    + "\nRun:     {{ run.id }}, attempt {{ run.attempt }}, {{ run.state }}"
    + "{% if run.trigger %}\nTrigger: {{ run.trigger }}{% endif %}"
    + "{% if run.due %}\nDue:     {{ run.due }}{% endif %}"
    + "{% if run.started %}\nStarted: {{ run.started }}{% endif %}\n"
)
