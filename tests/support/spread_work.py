"""Tasks that tests spread over processes: pure, and some of them deadly."""

import os
import signal
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
