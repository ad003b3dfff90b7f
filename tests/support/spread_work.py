"""Tasks that tests spread over processes: pure, and some of them deadly."""

import os
import signal
import sys
import time
from pathlib import Path


def square(number: int) -> int:
    return number * number


def square_or_die_once(task: tuple[int, str]) -> int:
    """Square the number; the first process that comes to 7 dies before it can answer."""
    number, folder = task
    if number == 7:
        try:
            (Path(folder) / "died").touch(exist_ok=False)
        except FileExistsError:
            return square(number)
        os.kill(os.getpid(), signal.SIGKILL)
    return square(number)


def die(number: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number


def refuse(number: int) -> int:
    from core.durable.model import RunNotFound

    raise RunNotFound(run_id=f"run_{number}")


def tell_and_stay(task: tuple[float, str]) -> int:
    """Leave a file named after the process, stay, and leave another."""
    seconds, folder = task
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(seconds)
    if seconds:
        (Path(folder) / "stayed to the end").touch()
    return 0


if __name__ == "__main__":
    from core.durable.fan_out import ProcessPool
    from tests.support import spread_work

    with ProcessPool(2) as pool:
        for result in pool.map(spread_work.tell_and_stay, [(0, sys.argv[1]), (60, sys.argv[1])]):
            print(result, flush=True)
