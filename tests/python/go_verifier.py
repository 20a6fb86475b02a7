"""The verifier in Go: the program of tests/go, built and run. Go fetches the packages that it stands on."""

import re
import shutil
from pathlib import Path

import pytest

from offline import WITHOUT_NETWORK
from server import run

GO_PROJECT = Path(__file__).parents[1] / "go"
VALID, INVALID, UNDECIDED = 0, 1, 2


def in_go(go, *arguments):
    """The exit status and the words of the Go program, run with no network at all where the system allows it."""
    done = run(*WITHOUT_NETWORK, go, *arguments, check=False, timeout=60)
    assert done.returncode in (VALID, INVALID, UNDECIDED), done.stderr
    assert "goroutine" not in done.stderr, done.stderr
    return done.returncode, done.stdout + done.stderr


def built(directory):
    """The program, built outside of the checkout; the packages go to Go's own cache. Skips the test where Go cannot do it."""
    if not shutil.which("go"):
        pytest.skip("not installed: go")
    needed = re.search(r"^go (\d+)\.(\d+)", (GO_PROJECT / "go.mod").read_text(), re.MULTILINE)
    there = re.match(r"go(\d+)\.(\d+)", run("go", "env", "GOVERSION", cwd="/").stdout)
    if not there or tuple(map(int, there.groups())) < tuple(map(int, needed.groups())):
        pytest.skip(f"{there[0] if there else 'this go'} is older than go{needed[1]}.{needed[2]}, which tests/go needs")
    program = directory / "dab-go-verify"
    run("go", "build", "-mod=readonly", "-buildvcs=false", "-o", program, "./cmd/dab-go-verify", cwd=GO_PROJECT)
    return program
