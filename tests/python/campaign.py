"""Four replicas on four machines under load, faults one after the other, and a judgement of all that clients saw.

    python campaign.py [--rounds N] [--only KIND]... [--seed N] [--dir DIR]

makes the machines out of network namespaces of its own; DAB_BINARY names the binary. `--only "kill leader"` measures
failovers. Exit status 0: every answer fits one list for each table, nothing acknowledged is lost, all replicas tell one
ledger. What is wrong is said in sentences, and the files stay in the directory.
"""

import argparse
import os
import random
import statistics
import sys
import tempfile
from collections import Counter
from pathlib import Path

import namespaces
from clients import Clients, History
from faults import KINDS, Faults, schedule
from group import Group
from judgement import Judgement
from linearizable import READ

# Tables grow old with every append; fresh ones keep the last rounds as quick as the first.
TABLES, ROUNDS_OF_TABLES = 3, 4
LAST_OPERATIONS = 12


def main():
    arguments = parsed()
    if not arguments.inside:
        reason = namespaces.why_not()
        if reason:
            sys.exit(reason)
        again = ["--inside", "--seed", arguments.seed, *sys.argv[1:]]
        sys.exit(namespaces.in_a_world_of_its_own(sys.executable, __file__, *again).returncode)
    directory = arguments.dir or Path(tempfile.mkdtemp(prefix="dab-campaign-"))
    sys.unraisablehook = tell_but_for_underflows
    say(f"DAB_TEST_SEED={arguments.seed}, {arguments.rounds} rounds, in {directory}")
    network = namespaces.Network(4)
    group = Group(directory / "group", network=network).start()
    try:
        found = campaign(group, network, arguments)
    finally:
        for node in group.running():
            node.process.kill()
    say("\n".join(f"WRONG: {wrong}" for wrong in found) or "nothing is wrong")
    sys.exit(1 if found else 0)


def parsed():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    rounds = len(KINDS)
    parser.add_argument("--rounds", type=int, default=rounds, help=f"faults, one after the other [default: {rounds}]")
    parser.add_argument("--only", action="append", choices=KINDS, help="this kind of fault; to be given once for each kind")
    seed = int(os.environ.get("DAB_TEST_SEED") or random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--seed", type=int, default=seed, help="draws the faults [default: DAB_TEST_SEED, or by chance]")
    parser.add_argument("--dir", type=Path, help="where everything lies [default: a new one for temporary files]")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def campaign(group, network, arguments):
    history, tables = History(), []
    faults = Faults(group, network, history)
    kinds = arguments.only or KINDS
    fresh_tables(group, tables)
    clients = Clients(group, history, tables, arguments.seed)
    try:
        for number, fault in enumerate(schedule(arguments.seed, arguments.rounds, kinds)):
            if number and number % ROUNDS_OF_TABLES == 0:
                fresh_tables(group, tables)
            say(f"{history.now():7.1f} s: {number + 1}. {fault}")
            faults.befall(fault, tables[-1])
        history.wait_for(LAST_OPERATIONS)
    finally:
        clients.end()
    say(f"{history.now():7.1f} s: all is well again, and judged")
    report(history, faults, clients.errors)
    names = sorted({operation.table for operation in history.operations})
    read_everywhere(group, history, names)
    found = Judgement(group, history, names).wrongs()
    say(f"{history.now():7.1f} s: the end")
    return found


def fresh_tables(group, tables):
    """Others from now on; the last ones stay as they are. In place, for the clients look here."""
    first = len(tables) and int(tables[-1].removeprefix("t")) + 1
    made = [f"t{first + n}" for n in range(TABLES)]
    for name in made:
        group.nodes[first % len(group.nodes)].query(f"CREATE TABLE {name} (value BIGINT)")
    tables[:] = made


def read_everywhere(group, history, names):
    """What each node shows in the end: reads as all others."""
    for node in group.nodes:
        with node.connect() as connection:
            for name in names:
                with connection.cursor() as cursor:
                    history.perform(cursor, READ, name, None, "the last look", node)


def report(history, faults, errors):
    counted = Counter((operation.kind, operation.outcome) for operation in history.operations)
    say(", ".join(f"{count} x {kind} {outcome}" for (kind, outcome), count in sorted(counted.items())))
    for words, count in errors.most_common():
        say(f"  {count} x {words}")
    for kind in sorted({each.kind for each in faults.befallen}):
        those = [each for each in faults.befallen if each.kind == kind]
        meanwhile = f"{sum(each.acknowledged for each in those)} operations acknowledged meanwhile"
        dropped = sum(each.dropped for each in those)
        say(f"{len(those)} x {kind}: {meanwhile}" + (f", {dropped} packets dropped" if dropped else ""))
    if faults.failovers:
        figures = f"median {statistics.median(faults.failovers):.2f} s, max {max(faults.failovers):.2f} s"
        say(f"failover: {len(faults.failovers)} leaders killed; {figures} to the next acknowledged append")


def tell_but_for_underflows(unraisable):
    """The driver closes a statement once more whose closing failed, as it does at a node that is gone, and complains."""
    if "Underflow in closing" not in str(unraisable.exc_value):
        sys.__unraisablehook__(unraisable)


def say(words):
    print(words, flush=True)


if __name__ == "__main__":
    main()
