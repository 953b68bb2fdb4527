"""The conformance suite of notifiers.

    from tidemill.testing import Delivery, Mood, NotifierConformance, Receiver

    class TestPager(NotifierConformance):
        def notifier_type(self):
            return tidemill_pager.NOTIFIER

        def receiver(self):
            return PagerServer()   # a `Receiver`

The receiver is a real server of the author's, on this machine, that can fail in every way
that a `Mood` names. The suite needs nothing else.
"""

from tidemill.testing.notifier.receiver import Delivery, Mood, Receiver
from tidemill.testing.notifier.suite import NotifierConformance

__all__ = ["Delivery", "Mood", "NotifierConformance", "Receiver"]
