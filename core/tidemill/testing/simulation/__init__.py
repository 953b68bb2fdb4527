"""A fleet in one thread, in no time, with bad luck: deterministic simulation.

The real scheduler, worker, transition table and store (SQLite in memory) run on a virtual
clock, over a broker, a network and a way to the database that are simulated. All chance
comes from one seed, so that a seed that fails fails again.

    from tidemill.testing.simulation import simulate
    simulate(seed=7)

`python -m tidemill.testing.simulation --seeds 0..999` does many.
"""

from tidemill.testing.simulation.promises import BrokenPromiseError
from tidemill.testing.simulation.story import Report, simulate

__all__ = ["BrokenPromiseError", "Report", "simulate"]
