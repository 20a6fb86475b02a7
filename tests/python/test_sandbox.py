"""Four nodes by one command: whichever is killed under a writer, is every acknowledged row there, and how long does the
writer wait? Does who interrupts the sandbox get the terminal back?"""

import json
import os
import signal
import subprocess
import threading
import time

from clients import CALL_SECONDS_MAX, PAUSE_SECONDS
from group import node_verb
from sandbox import Sandbox, is_running
from server import dab_binary, run, wait_until

SECONDS_MAX = 120
# Without a leader's word for `RaftLimits::election_ticks` (10) of `NodeLimits::tick` (100 ms) and by chance for up to twice
# as many, a follower asks for votes; votes that are split cost as much again.
ELECTION_SECONDS_MAX = 2 * 2.0
# Four unoptimised nodes, a writer and whatever else runs share the processors with the election, and the first write after
# it is certified by three nodes that have as little of them; a node that is slow to vote costs another election.
BUSY_FACTOR = 5
GAP_SECONDS_MAX = ELECTION_SECONDS_MAX * BUSY_FACTOR
SETTLED_ROWS = 5


def test_a_sandbox_bears_the_loss_of_each_node_in_turn_under_a_writer(tmp_path, capsys):
    with Sandbox(tmp_path / "s", "--nodes", "4") as sandbox:
        assert len(sandbox.nodes) == 4, sandbox.said
        assert "4 nodes hold one ledger; 3 of them certify, 1 may be faulty" in sandbox.said, sandbox.said
        paths = (str(tmp_path), dab_binary())
        lines = [line for line in sandbox.said.splitlines() if not any(path in line for path in paths)]
        assert max(map(len, lines)) <= 80, lines
        sandbox.nodes["n2"].query("CREATE TABLE t (n BIGINT)")
        with Writer(list(sandbox.nodes.values())) as writer:
            left, led = sorted(sandbox.nodes), 0
            while left:
                writer.wait_for(SETTLED_ROWS)
                leader = who_leads(sandbox.nodes["n1"])
                # who leads, then one who follows, and so on, as far as those are left
                name = next((name for name in left if (name == leader) == (len(left) % 2 == 0)), left[0])
                left.remove(name)
                led += name == leader
                gap = longest_gap_around_the_death_of(name, name == leader, sandbox, writer)
                killed = f"{name}, {'the leader' if name == leader else 'a follower'}, killed"
                with capsys.disabled():
                    print(f"\n{killed}: {gap:.2f} s at most between two acknowledged rows", end="")
                assert gap <= GAP_SECONDS_MAX, f"{killed}: {gap:.2f} s"
        for node in sandbox.nodes.values():
            writer.check_rows(node)
        with capsys.disabled():
            print(f"\n{len(writer.acknowledged)} rows acknowledged and there at each node; {led} of the killed led")
        assert led, "no leader was killed"
        # none is left of those that it started
        assert sandbox.process.wait(SECONDS_MAX) == 0
    other = run(*sandbox.command, "--nodes", "3", check=False)
    assert other.returncode == 1 and "has 4 nodes, not 3" in other.stderr, other.stderr
    other = run(*sandbox.command, "--witness", check=False)
    assert other.returncode == 1 and "was made without a witness" in other.stderr, other.stderr


def longest_gap_around_the_death_of(name, leads, sandbox, writer):
    """Kills a node and starts it again by the line that the sandbox prints; everything acknowledged is at each node."""
    others = [node for other, node in sandbox.nodes.items() if other != name]
    killed = time.monotonic()
    said = sandbox.kill(name)
    if leads:
        wait_until(lambda: who_leads(others[0]) not in (name, None))
    writer.wait_for(SETTLED_ROWS)
    for node in others:
        writer.check_rows(node)
    sandbox.start_again(name, said)
    # what it answers with is no older than the last row that was acknowledged anywhere
    writer.check_rows(sandbox.nodes[name])
    writer.wait_for(SETTLED_ROWS)
    return writer.longest_gap_since(killed)


def who_leads(node):
    """The name of the one that leads, by the command that the sandbox names; `None` while there is none."""
    done = node_verb("status", "--data", node.data, "--format", "json", check=False)
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return next((row["name"] for row in rows if row["leads"]), None)


class Writer(threading.Thread):
    """Writes one row after the other, at one node until that fails it."""

    def __init__(self, nodes):
        super().__init__()
        self.nodes, self.acknowledged, self.errors = nodes, {}, []
        self.moved, self.stopping = threading.Condition(), threading.Event()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *raised):
        self.stopping.set()
        self.join()

    def run(self):
        at, n = 0, 0
        while not self.stopping.is_set():
            node = self.nodes[at % len(self.nodes)]
            try:
                with node.connect(call_seconds_max=CALL_SECONDS_MAX) as connection:
                    while not self.stopping.is_set():
                        n += 1
                        with connection.cursor() as cursor:
                            cursor.execute(f"INSERT INTO t VALUES ({n})")
                        with self.moved:
                            self.acknowledged[n] = time.monotonic()
                            self.moved.notify_all()
            except Exception as error:  # whatever a driver makes of a node that is gone
                self.errors.append(f"{node.data.name}: {error}")
                at += 1
                time.sleep(PAUSE_SECONDS)

    def wait_for(self, more):
        with self.moved:
            aim = len(self.acknowledged) + more
            reached = self.moved.wait_for(lambda: len(self.acknowledged) >= aim, SECONDS_MAX)
        assert reached, self.errors[-5:]

    def longest_gap_since(self, moment):
        """Between two acknowledged rows, the first of them the last before that moment."""
        with self.moved:
            times = sorted(self.acknowledged.values())
        pairs = zip(times, times[1:])
        return max(later - earlier for earlier, later in pairs if later > moment)

    def check_rows(self, node):
        """Everything that was acknowledged before it is asked is there, and nothing twice."""
        with self.moved:
            acknowledged = set(self.acknowledged)
        rows = [n for (n,) in node.query("SELECT n FROM t")]
        assert len(rows) == len(set(rows)), f"a row is there twice: {sorted(rows)}"
        assert acknowledged <= set(rows), f"acknowledged and lost at {node.data.name}: {acknowledged - set(rows)}"


def test_who_interrupts_a_sandbox_twice_does_not_wait_for_a_node_that_hangs(tmp_path):
    with Sandbox(tmp_path / "s", stderr=subprocess.PIPE) as sandbox:
        pids, process = set(sandbox.pids.values()), sandbox.process
        hangs = max(pids)
        os.kill(hangs, signal.SIGSTOP)
        process.send_signal(signal.SIGINT)
        # the others have stopped, so the first one has been heard
        wait_until(lambda: not any(is_running(pid) for pid in pids - {hangs}))
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS_MAX) == 1
        assert "stopped at once" in process.stderr.read()
        assert not is_running(hangs), "a node outlives its sandbox"
