"""The replicas of one ledger, founded by the command line as its help says, each a `dab serve` process: on this machine, or
each on a machine of a network."""

import signal
import time
from pathlib import Path

from server import Server, dab_binary, free_port, run

ORIGIN = "dab/group"


class Group:
    """Replicas below a folder, some of them running, over one folder of tables."""

    def __init__(self, directory, count=4, witness=(), network=None):
        self.directory, self.tables = Path(directory), Path(directory) / "tables"
        self.tables.mkdir(parents=True)
        self.nodes = []
        for n in range(1, count + 1):
            own, place = ["--tables", self.tables], {}
            if network:
                place = {"host": network.host(n), "under": network.under(n)}
                own += ["--host", network.host(n)]  # in the certificate that clients are shown
            node = Server(self.directory / f"n{n}", *own, **place)
            node.tables = self.tables
            self.nodes.append(node)
            address = f"{node.host}:{free_port()}"
            line = node_verb("keys", "--data", node.data, "--origin", ORIGIN, "--name", f"n{n}", "--address", address)
            (self.directory / f"n{n}.line").write_text(line.stdout)
        self.founding = self.directory / "founding"
        lines = [self.directory / f"n{n}.line" for n in range(1, count + 1)]
        outside = ["--witness", *witness] if witness else []
        node_verb("found", "--origin", ORIGIN, "-o", self.founding, *outside, *lines)
        for node in self.nodes:
            node_verb("join", "--data", node.data, self.founding)

    def start(self):
        """Starts all. Each has users and a certificate authority of its own."""
        for node in self.nodes:
            node.launch()
        for node in self.nodes:
            node.wait_until_up()
        return self

    def running(self):
        return [node for node in self.nodes if node.process and node.alive()]

    def kill(self, node):
        """As the plug being pulled on the process."""
        node.stop(signal.SIGKILL)

    def leader(self):
        """The node that most others follow; waits until there is one."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            for node in self.running():
                rows = node.query("SELECT answers, leads FROM dab.replicas ORDER BY id")
                led = [n for n, (_, leads) in enumerate(rows) if leads]
                if led and self.nodes[led[0]] in self.running():
                    return self.nodes[led[0]]
            time.sleep(0.05)
        raise AssertionError("no replica leads")

    def stop(self):
        for node in self.running():
            node.stop()


def approve(change, *nodes):
    """These members approve of a draft; what the last one was told."""
    for node in nodes:
        told = node_verb("approve", "--data", node.data, change).stdout
    return told


def node_verb(verb, *arguments, check=True):
    return run(dab_binary(), "node", verb, *arguments, check=check)
