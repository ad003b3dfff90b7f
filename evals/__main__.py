"""`python -m evals`: the same commands as `dingpan evals`."""

from evals.cli import app

if __name__ == "__main__":
    app(prog_name="evals")
