"""The garbage collector, for processes that read and write the log."""

import gc

# Allocations between two looks for cycles, and how many looks of each age make one of the next.
COLLECTOR = (50_000, 20, 100)


def relax_collector() -> None:
    """Look for cycles rarely, and never among what is loaded by now.

    Events, rows and commands come and go by the thousand and have none: looking through them at
    Python's defaults took four tenths of the time that reading the log takes.
    """
    gc.freeze()
    gc.set_threshold(*COLLECTOR)
