"""Spreading work: the same results wherever it is done, also when processes die at it."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.backtest.sweep import sweep
from core.backtest.watching import Progress
from core.durable.fan_out import ClusterUnreachable, DaskCluster, FanOut, ProcessPool, Serial, WorkersLost, fan_out
from core.durable.model import RunNotFound
from tests.support import spread_work
from tests.support.backtest_rows import walk
from tests.support.real_desk import ROOT, free_port

NUMBERS = list(range(40))
SQUARES = [number * number for number in NUMBERS]


def test_serial_and_processes_agree_in_order() -> None:
    assert list(Serial().map(spread_work.square, NUMBERS)) == SQUARES
    with ProcessPool(2) as pool:
        assert list(pool.map(spread_work.square, iter(NUMBERS))) == SQUARES
        assert list(pool.map(spread_work.square, [])) == []


def test_a_task_whose_process_was_killed_is_done_again(tmp_path: Path) -> None:
    with ProcessPool(2) as pool:
        tasks = [(number, str(tmp_path)) for number in NUMBERS]
        assert list(pool.map(spread_work.square_or_die_once, tasks)) == SQUARES
    assert (tmp_path / "died").exists()


def test_work_that_kills_every_process_is_given_up_and_errors_arrive_as_they_are() -> None:
    with ProcessPool(1) as pool:
        with pytest.raises(WorkersLost) as lost:
            list(pool.map(spread_work.die, [1]))
        assert lost.value.data == {"losses": 3}
        with pytest.raises(RunNotFound) as refused:
            list(pool.map(spread_work.refuse, [4]))
        assert refused.value.data == {"run_id": "run_4"}


def is_gone(pid: int) -> bool:
    """Wait until a process has ended; a minute is forever."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


def test_work_is_broken_off_when_the_block_is_left_by_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError), ProcessPool(2) as pool:
        results = pool.map(spread_work.tell_and_stay, [(0, str(tmp_path)), (60, str(tmp_path))])
        assert next(results) == 0
        raise KeyError
    assert not (tmp_path / "stayed to the end").exists()
    assert all(is_gone(int(path.name)) for path in tmp_path.iterdir())


def test_no_process_outlives_a_killed_parent(tmp_path: Path) -> None:
    program = [sys.executable, "-m", "tests.support.spread_work", str(tmp_path)]
    parent = subprocess.Popen(program, cwd=ROOT, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    with parent.stdout as said:
        assert said.readline() == b"0\n"
        parent.kill()
        parent.wait()
    told = [int(path.name) for path in tmp_path.iterdir()]
    assert told
    assert all(is_gone(pid) for pid in told)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler and two workers, each a process."""
    address = f"tcp://127.0.0.1:{free_port()}"
    quiet = {"cwd": ROOT, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    python = [sys.executable, "-m"]
    scheduler = [*python, "distributed.cli.dask_scheduler", "--host", address, "--no-dashboard", "--no-jupyter"]
    worker = [*python, "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard"]
    folder = ["--local-directory", str(tmp_path)]
    started = [subprocess.Popen(scheduler, **quiet)]  # type: ignore[call-overload]
    started += [subprocess.Popen([*worker, *folder], **quiet) for _ in range(2)]  # type: ignore[call-overload]
    yield address, started[1:]
    for process in started:
        process.kill()
        process.wait()


def test_a_cluster_gives_the_same_results_with_a_worker_killed_in_the_middle(
    cluster: tuple[str, list[subprocess.Popen[bytes]]], tmp_path: Path
) -> None:
    address, workers = cluster
    with fan_out(processes=1, cluster=address) as spread:
        assert isinstance(spread, DaskCluster)
        spread._client.wait_for_workers(2)
        tasks = [(number, str(tmp_path)) for number in NUMBERS]
        assert list(spread.map(spread_work.square_or_die_once, tasks)) == SQUARES
    assert (tmp_path / "died").exists()
    assert sorted(process.poll() is None for process in workers) == [False, True]


def test_a_cluster_that_is_not_there_is_named() -> None:
    address = f"tcp://127.0.0.1:{free_port()}"
    with pytest.raises(ClusterUnreachable) as refused:
        DaskCluster(address, seconds=0.2)
    assert refused.value.data["address"] == address


@pytest.mark.soak
def test_a_sweep_is_the_same_serially_in_processes_and_on_a_cluster_that_loses_a_worker(
    cluster: tuple[str, list[subprocess.Popen[bytes]]],
) -> None:
    address, workers = cluster
    rows = walk(400)
    grid = {"length": [3, 6, 9, 14], "low": [20.0, 25.0, 30.0, 35.0], "high": [60.0, 65.0, 70.0, 75.0]}

    def swept(spread: FanOut) -> dict[str, Any]:
        told: list[Progress] = []

        def kill_a_worker_in_the_middle(progress: Progress) -> None:
            told.append(progress)
            if isinstance(spread, DaskCluster) and progress.done >= 16:
                workers[0].kill()

        result = sweep("rsi_reversion", grid, bars=rows, fan_out=spread, progress=kill_a_worker_in_the_middle)
        assert told[-1].done == 64
        return result.to_columns()

    expected = swept(Serial())
    with ProcessPool(2) as pool:
        assert swept(pool) == expected
    with fan_out(processes=1, cluster=address) as spread:
        assert isinstance(spread, DaskCluster)
        spread._client.wait_for_workers(2)
        assert swept(spread) == expected
    assert [process.poll() is None for process in workers] == [False, True]
