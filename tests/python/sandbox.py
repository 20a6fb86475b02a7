"""`dab sandbox`: several nodes by one command, and those of them that are started again beside it."""

import os
import re
import shlex
import signal
import subprocess

from server import Server, dab_binary


class Sandbox:
    """A sandbox that is up; `said` is what it has printed by then, `pids` are those of its nodes and of its witness."""

    def __init__(self, directory, *arguments, stderr=None):
        self.command = [dab_binary(), "sandbox", "--dir", directory, "--base-port", "0"]
        words = [str(word) for word in (*self.command, *arguments)]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=stderr, text=True)
        self.said = self.said_until("Ctrl-C stops them all")
        found = re.findall(r"^ +(n\d|witness) +pid (\d+)", self.said, re.MULTILINE)
        self.pids = {name: int(pid) for name, pid in found}
        self.nodes = {name: Server(directory / name) for name in self.pids if name != "witness"}
        for node in self.nodes.values():
            node.url = (node.data / "endpoint").read_text().split("\n")[0]

    def __enter__(self):
        return self

    def said_until(self, words):
        said = ""
        while words not in said:
            line = self.process.stdout.readline()
            errors = self.process.stderr
            assert line, f"{said}\n{errors.read() if errors else 'its errors are above'}"
            said += line
        return said

    def kill(self, name):
        """What the sandbox says of it; it ends with the line that starts the process again."""
        os.kill(self.pids.pop(name), signal.SIGKILL)
        said = self.said_until("it is started again by: ")
        assert f"{name} ended (signal: 9" in said, said
        return said

    def start_again(self, name, said):
        """A node, by the line that the sandbox has printed."""
        node = self.nodes[name]
        (node.data / "endpoint").unlink()
        with node.output.open("ab") as output:
            node.process = subprocess.Popen(restart(said), stdout=output, stderr=output)
        node.wait_until_up()

    def __exit__(self, *raised):
        for node in self.nodes.values():
            if node.process and node.alive():
                node.stop()
        self.process.kill()
        for pid in filter(is_running, self.pids.values()):
            os.kill(pid, signal.SIGKILL)


def restart(said):
    """The command that starts a process of a sandbox again, from what `kill` has returned."""
    return shlex.split(said.split("it is started again by: ")[1])


def is_running(pid):
    try:
        os.kill(pid, 0)
        return True
    except ProcessLookupError:
        return False
