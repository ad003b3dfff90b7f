"""Compiling every kernel before anybody waits for it, by tiny runs through the drivers that users call.

Runs, and not a list of signatures: what a driver hands to a kernel is then never another thing than what was compiled.
"""

from collections.abc import Callable

from core.backtest.kernel_stamp import KernelsNotKept, is_ready, mark_ready, one_at_a_time, stamp
from core.backtest.tiny_runs import STEPS
from core.matching.compiled import kept_files
from core.matching.machine_code import forget_old

WAITING = "waiting for another process that compiles"

Tell = Callable[[int, int, str], object]
"""Called with how many steps are done, of how many, and the name of the next."""


def warm_up(tell: Tell) -> bool:
    """Compile what is not compiled yet; False when all of it was. One process of a machine does it at a time.

    Raises `KernelsNotKept`.
    """
    files = kept_files()
    if not files:
        raise KernelsNotKept
    folder, total = files[0].folder, len(STEPS)
    made_with = stamp()  # before the wait: the sources may be others after it, and this process has these
    with one_at_a_time(folder, lambda: tell(0, total, WAITING)):
        if is_ready(folder):
            return False
        for number, (name, run) in enumerate(STEPS.items()):
            tell(number, total, name)
            run()
        forget_old(kept_files())  # the runs have loaded further kernels
        mark_ready(folder, made_with)
    tell(total, total, "")
    return True
