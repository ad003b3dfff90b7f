"""What is kept of compiled kernels: never other code than asked for, and no error where nothing can be kept."""

import pickle
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from core.matching import compiled as machinery
from core.matching import integers
from core.matching.machine_code import MachineCode, MachineCodeNotKept, forget_old

IS_COMPILED = pytest.mark.skipif(not hasattr(integers.mul_div, "stats"), reason="nothing is compiled in this run")
KERNEL = """
from core.matching.compiled import compiled

@compiled
def twice(number):
    return number * 2

print(twice(21), twice.stats.cache_path)
"""


def files_of(folder: Path, *, stamp: str = "now", line: int = 7) -> MachineCode:
    numbas = SimpleNamespace(_source_stamp="source")
    base = SimpleNamespace(filename_base=f"rules.fee-{line}.py311")
    return MachineCode(SimpleNamespace(cache_path=str(folder), _impl=base, _cache_file=numbas), stamp)


def test_code_of_other_arguments_or_of_an_older_release_is_never_handed_out(tmp_path: Path) -> None:
    old, new = files_of(tmp_path, stamp="old"), files_of(tmp_path, stamp="new")
    old.save("integers", "old code")
    assert new.load("integers") is None, "the rules have changed since"
    new.save("integers", "integers' code")
    files_of(tmp_path, stamp="new").save("floats", "floats' code")  # as another process does at the same time
    assert [new.load("integers"), new.load("floats"), old.load("integers")] == [
        "integers' code",
        "floats' code",
        "old code",
    ]


@pytest.mark.parametrize("content", [b"", b"\x80\x04half", pickle.dumps("whole")[:-2]])
def test_a_file_cut_short_counts_as_none(tmp_path: Path, content: bytes) -> None:
    files = files_of(tmp_path)
    files.save("integers", "code")
    next(tmp_path.iterdir()).write_bytes(content)
    assert files.load("integers") is None
    files.save("integers", "code")
    assert files.load("integers") == "code"


def test_a_disk_that_refuses_is_told_and_nothing_else(tmp_path: Path) -> None:
    files = files_of(tmp_path / "gone")
    with pytest.warns(MachineCodeNotKept, match="are not kept in .*gone: No such file or directory"):
        files.save("integers", "code")
    assert files.load("integers") is None


def test_only_old_files_of_this_python_are_forgotten(tmp_path: Path) -> None:
    files = [files_of(tmp_path), files_of(tmp_path, line=90)]
    for one in files:
        one.save("integers", "code")
    kept = {path.name for path in tmp_path.iterdir()}
    foreign = {"rules.fee-7.py312.0123456789abcdef.0123456789abcdef.nbc", "rules.cpython-311.pyc", "kernels.ready"}
    old = {
        "rules.fee-7.py311.0123456789abcdef.0123456789abcdef.nbc",
        "rules.fee-6.py311.1.nbc",
        "rules.fee-6.py311.nbi",
    }
    for name in foreign | old:
        (tmp_path / name).write_bytes(b"x")
    assert forget_old(files) == 3
    assert {path.name for path in tmp_path.iterdir()} == kept | foreign


def run_kernel(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    (folder / "some_kernel.py").write_text(KERNEL)
    code = "import some_kernel"
    root = Path(__file__).resolve().parents[3]
    paths = {"PYTHONPATH": f"{folder}:{root}", "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, "-c", code], env=paths | environment, capture_output=True, text=True, check=True, cwd=folder
    )


@IS_COMPILED
def test_where_the_source_is_not_writable_kernels_are_kept_for_the_user(tmp_path: Path) -> None:
    source, home = tmp_path / "source", tmp_path / "home"
    source.mkdir()
    (source / "__pycache__").write_text("a file where a folder is needed, as unwritable for root as for others")
    done = run_kernel(source, HOME=str(home), XDG_CACHE_HOME=str(home / "cache"))
    answer, folder = done.stdout.split()
    assert (answer, done.stderr) == ("42", "")
    assert Path(folder).parent == home / "cache" / "numba"
    assert [path.suffix for path in Path(folder).iterdir()] == [".nbc"]


@IS_COMPILED
def test_where_no_folder_is_writable_a_kernel_runs_and_one_line_says_so(tmp_path: Path) -> None:
    (tmp_path / "__pycache__").write_text("a file")
    done = run_kernel(tmp_path, HOME="/dev/null", XDG_CACHE_HOME="/dev/null")
    assert done.stdout.split() == ["42", "None"]
    assert done.stderr.count("MachineCodeNotKept: ") == 1
    assert "Compiled kernels are not kept: no folder may be written to. Set NUMBA_CACHE_DIR to one" in done.stderr


def test_other_errors_of_numba_are_not_taken_for_that(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**_: Any) -> Any:
        raise RuntimeError("something else")

    monkeypatch.setattr(machinery.numba, "njit", broken)
    with pytest.raises(RuntimeError, match="something else"):
        machinery.compiled(lambda: None)
