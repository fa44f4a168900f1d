"""The garbage collector, for processes that read and write the log."""

import gc

# Allocations between two looks for cycles, and how many looks of each age make one of the next.
# Of the second age few: what lives is looked through there once, all of it while nothing else runs.
COLLECTOR = (50_000, 4, 500)


def relax_collector() -> None:
    """Look for cycles rarely, and never among what is loaded by now.

    Events, rows and commands come and go by the thousand and have none: looking through them at
    Python's defaults took four tenths of the time that reading the log takes. What lives long and
    goes by the thousand, as connections do, cuts its cycles at its end: 5,000 that were left to the
    collector stopped everybody for 1.4 s.
    """
    gc.freeze()
    gc.set_threshold(*COLLECTOR)
