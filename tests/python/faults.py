"""What befalls the replicas of a group, one fault after the other, drawn from a seed.

Faults go by the clients' operations and not by time: each comes after so many acknowledged ones, and is undone after so many
more. The same seed draws the same faults at the same counts; which operations meet them is the machine's to decide."""

import random
import signal
import threading
import time
from dataclasses import dataclass

from linearizable import APPEND

LEADER, FOLLOWER = "leader", "follower"
# What befalls one replica or its network, and the others have to go on.
OF_ONE = ("kill", "pause", "mute", "deaf", "cut off", "one link")
# Nothing has to go on; nothing may get lost.
TOO_MUCH = ("halves", "all killed")
KILLED_LEADER = f"kill {LEADER}"
KINDS = (*(f"{what} {whom}" for what in OF_ONE for whom in (LEADER, FOLLOWER)), "loss", *TOO_MUCH)
# Of each of these a campaign has one among its first rounds, however short it is: kill -9 (of a leader, for the time of a
# failover), SIGSTOP, a one-way cut that the one who is cut off must notice, lost packets.
CERTAIN = {
    "killed": (KILLED_LEADER,),
    "held": (f"pause {LEADER}", f"pause {FOLLOWER}"),
    "cut one way": tuple(f"{what} {whom}" for what in ("mute", "deaf") for whom in (LEADER, FOLLOWER)),
    "lossy": ("loss",),
}
FIRST_ROUNDS = 7
SETTLED_MIN, SETTLED_MAX, LASTS_MIN, LASTS_MAX = 6, 16, 10, 40
LASTS_WITHOUT_QUORUM, LASTS_LOSING_MAX = 4, 20
# Beside another fault no replica can be spared, and leaders that lose much are soon none any more.
LOST_ALONE_PERCENT_MAX, LOST_BESIDE_PERCENT_MAX = 25, 5


@dataclass(frozen=True)
class Fault:
    """`after` so many acknowledged operations it happens, and lasts for so many more. Which of the others it is, where that
    is open, `drawn` decides. `lost_percent` of the packets between replicas are lost meanwhile."""

    kind: str
    after: int
    lasts: int
    drawn: int
    lost_percent: int = 0

    def __str__(self):
        lost = f", {self.lost_percent} % of packets lost" if self.lost_percent else ""
        return f"after {self.after} more: {self.kind}{lost}, for {self.lasts} more"

    def what(self):
        return self.kind.removesuffix(f" {LEADER}").removesuffix(f" {FOLLOWER}")


def schedule(seed, rounds, kinds=KINDS):
    """Each kind once before one comes again, in an order by chance that has one of each certain ones in front."""
    chance, faults, left = random.Random(f"{seed} faults"), [], []
    for _ in range(rounds):
        left = left or shuffled(chance, kinds)
        kind = left.pop(0)
        lasts_max = LASTS_LOSING_MAX if kind == "loss" else LASTS_MAX
        lasts = LASTS_WITHOUT_QUORUM if kind in TOO_MUCH else chance.randint(LASTS_MIN, lasts_max)
        lost = chance.randint(1, LOST_BESIDE_PERCENT_MAX) if chance.random() < 0.2 else 0
        if kind == "loss":
            lost = chance.randint(LOST_BESIDE_PERCENT_MAX, LOST_ALONE_PERCENT_MAX)
        after = chance.randint(SETTLED_MIN, SETTLED_MAX)
        faults.append(Fault(kind, after, lasts, chance.randrange(1 << 16), lost))
    return faults


def shuffled(chance, kinds):
    order = chance.sample(kinds, len(kinds))
    certain = [next((kind for kind in order if kind in those), None) for those in CERTAIN.values()]
    order.sort(key=lambda kind: kind not in certain)
    first, others = order[:FIRST_ROUNDS], order[FIRST_ROUNDS:]
    return chance.sample(first, len(first)) + others


@dataclass(frozen=True)
class Befallen:
    """What became of a round: operations that were acknowledged while it lasted, and packets that were dropped."""

    kind: str
    acknowledged: int
    dropped: int


class Faults:
    """Makes them happen to a group whose machines are in a network."""

    def __init__(self, group, network, history):
        self.group, self.network, self.history = group, network, history
        self.failovers, self.befallen = [], []

    def befall(self, fault, table):
        """One fault, from its waiting time to its end. Appends of its own go to `table`."""
        self.history.wait_for(fault.after)
        leader = self.group.leader()
        others = [node for node in self.group.nodes if node is not leader]
        node = others[fault.drawn % len(others)] if fault.kind.endswith(FOLLOWER) else leader
        acknowledged, dropped = self.history.acknowledged, self.network.dropped()
        self.network.lose(fault.lost_percent)
        undo = getattr(self, "_" + fault.what().replace(" ", "_"))(fault, node, table)
        try:
            self.history.wait_for(fault.lasts, acknowledged=fault.kind not in TOO_MUCH)
        finally:
            self.network.heal()
            undo()
        acknowledged, dropped = self.history.acknowledged - acknowledged, self.network.dropped() - dropped
        self.befallen.append(Befallen(fault.kind, acknowledged, dropped))

    def _kill(self, fault, node, table):
        if fault.kind == KILLED_LEADER:
            self.failovers.append(self._failover(node, table))
        else:
            self.group.kill(node)
        return node.start

    def _failover(self, leader, table):
        """Kills the leader. Seconds until the first append is acknowledged of those that are sent to the others then."""
        others = [node for node in self.group.nodes if node is not leader]
        first_value = 10_000_000 * (1 + len(self.failovers))
        probes = [Probe(node, table, self.history, first_value + n) for n, node in enumerate(others)]
        killed = time.monotonic()
        self.group.kill(leader)
        for probe in probes:
            probe.killed.set()
        for probe in probes:
            probe.join()
        acknowledged = [probe.acknowledged for probe in probes if probe.acknowledged]
        assert acknowledged, f"no append was acknowledged after the leader's death: {[probe.error for probe in probes]}"
        return min(acknowledged) - killed

    def _pause(self, fault, node, table):
        node.process.send_signal(signal.SIGSTOP)
        return lambda: node.process.send_signal(signal.SIGCONT)

    def _mute(self, fault, node, table):
        return self._cut((self._machine(node), other) for other in self._but(node))

    def _deaf(self, fault, node, table):
        return self._cut((other, self._machine(node)) for other in self._but(node))

    def _cut_off(self, fault, node, table):
        self._mute(fault, node, table)
        return self._deaf(fault, node, table)

    def _one_link(self, fault, node, table):
        others = self._but(node)
        return self._cut([(self._machine(node), others[fault.drawn % len(others)])])

    def _halves(self, fault, node, table):
        one = {self._machine(node), self._but(node)[fault.drawn % 3]}
        other = set(self.network.machines) - one
        return self._cut(pair for a in one for b in other for pair in ((a, b), (b, a)))

    def _loss(self, fault, node, table):
        return lambda: None

    def _all_killed(self, fault, node, table):
        for each in self.group.nodes:
            self.group.kill(each)
        for each in self.group.nodes:
            each.launch()
        for each in self.group.nodes:
            each.wait_until_up()
        return lambda: None

    def _cut(self, pairs):
        self.network.cut(pairs)
        return lambda: None

    def _machine(self, node):
        return 1 + self.group.nodes.index(node)

    def _but(self, node):
        return [n for n in self.network.machines if n != self._machine(node)]


class Probe(threading.Thread):
    """A client that is connected before the leader is killed, and appends at once after."""

    def __init__(self, node, table, history, value):
        super().__init__()
        self.node, self.table, self.history, self.value = node, table, history, value
        self.connection, self.killed = node.connect(), threading.Event()
        self.acknowledged, self.error = None, None
        self.start()

    def run(self):
        self.killed.wait()
        try:
            with self.connection, self.connection.cursor() as cursor:
                client = f"probe of {self.node.data.name}"
                self.history.perform(cursor, APPEND, self.table, self.value, client, self.node)
                self.acknowledged = time.monotonic()
        except Exception as error:
            self.error = error
