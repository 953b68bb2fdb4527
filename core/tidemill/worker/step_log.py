"""The log of one attempt: what the step writes, and what is noted about it, told in order.

A reader finds its place by bytes: each piece says where it begins. Bytes of notes count, so
that the next process of a worker, which gets the step's own output again from the first byte
on, knows where to go on.
"""

from __future__ import annotations

from tidemill.model.masking import Mask
from tidemill.model.messages import Order, Output
from tidemill.ports import WorkerEnd
from tidemill.worker.pump import OutputPump


class StepLog:
    """Of the attempt that `order` is for, told to `broker`."""

    def __init__(self, order: Order, broker: WorkerEnd) -> None:
        self._order = order
        self._broker = broker
        self._pump = OutputPump(self._tell)
        self._upto = 0
        """Bytes that were told."""
        self.noted = 0
        """How many bytes of the log are notes."""

    def hide(self, mask: Mask) -> None:
        """Hides values in all that the step writes from now on."""
        self._pump.hide(mask)

    def write(self, data: bytes) -> None:
        """Something that the step has written."""
        self._pump.write(data)

    def note(self, text: str) -> None:
        """A line of ours."""
        line = f"[tidemill: {text}]\n"
        self.noted += len(line.encode("utf-8", "replace"))
        self._tell(line)

    def go_on(self, told: int, noted: int) -> None:
        """So many bytes were told already, of which so many were notes; the step's own output
        comes again."""
        self.noted, self._upto = noted, told
        self._pump.skip(told - noted)

    def close(self) -> None:
        """Tells what is left of a last line that has no end."""
        self._pump.close()

    def _tell(self, text: str) -> None:
        order, at = self._order, self._upto
        self._upto = self.noted + self._pump.sent
        size = self._upto - at
        self._broker.emit(
            Output(
                order.ref.run, order.ref.ordinal, order.key, order.attempt, text,
                order.fence, at, size,
            )
        )  # fmt: skip
