"""Do the lines that the quickstart prints at its end work when pasted, as a newcomer pastes them?"""

import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from server import Server, dab_binary, free_port, run

ESCAPE = "\x1b"


class Quickstart:
    """A finished `dab quickstart --no-serve`, and its node started again on the same port."""

    def __init__(self, directory):
        self.port = free_port()
        # A blank and an ampersand, as folders of people have them.
        self.data = directory / "my data & more"
        self.command = [dab_binary(), "quickstart", "--no-serve", "--data", self.data]
        self.command += ["--listen", f"127.0.0.1:{self.port}", "--audit-listen", f"127.0.0.1:{free_port()}"]
        self.folder = directory
        self.output = run(*self.command, cwd=directory).stdout


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory):
    return Quickstart(tmp_path_factory.mktemp("quickstart"))


@pytest.fixture
def serving(quickstart):
    server = Server(quickstart.data, port=quickstart.port).start()
    yield server
    server.stop()


def python_lines(output):
    """The printed Python: from the import of the driver to the blank line that ends the block."""
    lines = output.split("\n")
    first = next(at for at, line in enumerate(lines) if re.match(r"\s*(import|from) adbc_driver_flightsql", line))
    indent = re.match(r"\s*", lines[first])[0]
    block = []
    for line in lines[first:]:
        if not line.strip() or not line.startswith(indent):
            break
        block.append(line)
    return textwrap.dedent("\n".join(block))


def java_lines(output):
    """The printed Java: from the password to the end of the block."""
    _, lines = re.split(r"^(?=String password = )", output, maxsplit=1, flags=re.MULTILINE)
    return lines.split("\n\n")[0].rstrip("\n") + "\n"


def shell_lines(output):
    """The printed command lines, continued ones as they are."""
    program = re.escape(dab_binary())
    return re.findall(rf"^{program} (?:.*\\\n)*.*$", output, flags=re.MULTILINE)


def test_the_tour_shows_answers_a_receipt_and_a_forgery_caught(quickstart):
    lines = quickstart.output.splitlines()
    assert any(re.fullmatch(r"VALID  receipt for version 0 of table \S+", line) for line in lines), quickstart.output
    assert any(re.fullmatch(r"INVALID  audit of table \S+", line) for line in lines), quickstart.output
    assert any(re.search(r"lineitem@0 · leaf \d+ · certifies alone$", line) for line in lines), quickstart.output
    assert ESCAPE not in quickstart.output, "plain lines where the output is no terminal"


def test_the_command_lines_work_in_a_shell(quickstart):
    prove, verify, audit = shell_lines(quickstart.output)
    assert [line.split()[1] for line in (prove, verify, audit)] == ["prove", "verify", "audit"]
    shell = {"shell": True, "cwd": quickstart.folder, "capture_output": True, "text": True, "timeout": 60}
    done = subprocess.run(prove, **shell)
    assert done.returncode == 0, (prove, done)
    done = subprocess.run(verify, **shell)
    assert (done.returncode, done.stdout.split()[0]) == (0, "VALID"), (verify, done)
    done = subprocess.run(audit, **shell)
    assert (done.returncode, done.stdout.split()[0]) == (1, "INVALID"), (audit, done)


def test_the_python_lines_work_in_a_fresh_python(quickstart, serving):
    lines = python_lines(quickstart.output)
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"{lines}\n{done.stderr}"
    assert done.stdout.strip(), "the lines show something"


def test_the_jdbc_lines_work_in_a_fresh_jshell(quickstart, serving, java):
    if not shutil.which("jshell"):
        pytest.skip("not installed: jshell")
    lines = java_lines(quickstart.output)
    assert serving.password not in quickstart.output, "a password does not belong on the screen"
    path = java[java.index("-cp") + 1]
    # jshell hands on no wildcard of a class path.
    jars = [str(jar) for folder in path.split(":") for jar in Path(folder.removesuffix("/*")).glob("*.jar")]
    opened = "-R--add-opens=java.base/java.nio=ALL-UNNAMED"
    done = run("jshell", "-s", opened, "--class-path", ":".join(jars), "-", input=lines, check=False)
    count = serving.query("SELECT count(*) FROM lineitem")[0][0]
    assert done.stdout.split()[-1:] == [str(count)], (lines, done)


def test_a_second_run_reuses_what_is_there(quickstart):
    def versions():
        return sorted(path.name for path in quickstart.data.glob("tables/*/_delta_log/*.json"))

    before = versions()
    again = run(*quickstart.command).stdout
    assert versions() == before
    assert re.search(r"^INVALID  audit", again, flags=re.MULTILINE) and "adbc_driver_flightsql" in again
