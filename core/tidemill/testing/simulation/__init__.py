"""A fleet in one thread, in no time, with bad luck: deterministic simulation.

The real scheduler, worker, transition table and store (SQLite in memory) run on a virtual
clock, over a broker and a network that are simulated: messages are late, lost, repeated
and out of order; processes crash, stand still, are cut off; the broker forgets everything.
All chance comes from one seed, so that a seed that fails fails again.

    from tidemill.testing.simulation import simulate
    simulate(seed=7)
"""

from tidemill.testing.simulation.promises import BrokenPromiseError
from tidemill.testing.simulation.story import Report, simulate

__all__ = ["BrokenPromiseError", "Report", "simulate"]
