"""A node under a fixed small workload, interrupted at a call that changes its files, started again, and judged: at every call.

    python crash_points.py [--replica leader|follower]... [--kind KIND]... [--count N] [--seed N] [--dir DIR] [--jobs N]
    python crash_points.py [--replica leader|follower] --kind KIND --point POINT [--then N] [--dir DIR]

DAB_BINARY names the binary. A first run without interruption tells which calls there are; `syscalls.py` says what a point is,
and what can be done to it. Of the kinds, `kill` and `tear` end the node, `eio` and `enospc` have it go on or end itself. `again`
kills it at the point and once more while it recovers, at the call of this number. Without `--replica` it is a node alone
(`crash_node.py`); with it, the leader of four replicas or one that follows, and the others have to go on (`crash_replica.py`).

Exit status 0: everything acknowledged is there, every statement whole or not at all and once, all verifiers accept the ledger,
and the node takes further writes. What is wrong is said in sentences, with the arguments that try the point again, and its files
stay. A campaign that was broken off goes on when it is started over its directory again, with `--kind` for these kinds first.

Whoever is killed by a signal leaves to the kernel what was written and not synced. So this shows that calls come in the right
order and that every prefix of them can be started from; what a power cut takes, the simulator shows. A failed sync is another
matter: what was acknowledged although its sync failed is found here.
"""

import argparse
import os
import random
import sys
import tempfile
from pathlib import Path

import crash_node
import crash_replica
import syscalls
from campaign import say
from faults import FOLLOWER, LEADER
from server import dab_binary, dab_verify_binary
from syscalls import TAKE_ROOM, TEARABLE
from trials import AGAIN, KINDS, Trial, carried_out, written

ALONE = ""
# About as many as a recovery makes; one that makes fewer is killed when it is up.
RECOVERY_CALLS_MAX = 90


def main():
    arguments = parsed()
    dab_binary(), dab_verify_binary()  # rather now than in each trial
    reason = syscalls.why_not()
    if reason:
        sys.exit(reason)
    directory = arguments.dir or Path(tempfile.mkdtemp(prefix="dab-crash-points-"))
    trials = written(directory, lambda: chosen(directory, arguments))
    say(f"{len(trials)} trials, in {directory}")
    sys.exit(1 if carried_out(tried, trials, directory, arguments.jobs, arguments.kind) else 0)


def parsed():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replica", action="append", choices=(LEADER, FOLLOWER), help="one of four that does this")
    parser.add_argument("--kind", action="append", choices=KINDS, help="to be given once for each kind [default: all]")
    parser.add_argument("--count", type=int, help="so many trials, in turns of each kind [default: every point]")
    seed = int(os.environ.get("DAB_TEST_SEED") or random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--seed", type=int, default=seed, help="shuffles them [default: DAB_TEST_SEED, or by chance]")
    parser.add_argument("--point", help="this one alone")
    parser.add_argument("--then", type=int, default=0, help="which call of the recovery, for --kind again")
    parser.add_argument("--dir", type=Path, help="where everything lies [default: a new one for temporary files]")
    parser.add_argument("--jobs", type=int, default=1, help="so many trials at a time [default: 1]")
    arguments = parser.parse_args()
    arguments.kind, arguments.replica = arguments.kind or list(KINDS), arguments.replica or [ALONE]
    return arguments


def chosen(directory, arguments):
    if arguments.point:
        return [Trial(arguments.kind[0], arguments.point, arguments.then, arguments.replica[0])]
    say(f"DAB_TEST_SEED={arguments.seed}")
    return drawn(points(directory / "counted", arguments.replica), arguments)


def points(directory, replicas):
    """The calls of lives that nothing interrupts, by what the node is."""
    return {ALONE: crash_node.points(directory)} if ALONE in replicas else crash_replica.points(directory)


def drawn(every, arguments):
    """The trials, in an order that the seed shuffles, and in turns of the kinds. The public copy follows when it can, so that
    a few points are not in every run."""
    chance, decks = random.Random(arguments.seed), []
    for kind in arguments.kind:
        able = {"tear": TEARABLE, "enospc": TAKE_ROOM}.get(kind)
        then = (lambda: chance.randint(1, RECOVERY_CALLS_MAX)) if kind == AGAIN else (lambda: 0)
        for replica in dict.fromkeys(arguments.replica):
            those = sorted((point for point in every[replica] if able is None or point.call in able), key=str)
            chance.shuffle(those)
            decks.append([Trial(kind, str(point), then(), replica) for point in those])
    chance.shuffle(decks)
    turns = (deck[n] for n in range(max(map(len, decks))) for deck in decks if n < len(deck))
    return [trial for trial, _ in zip(turns, range(arguments.count or sys.maxsize))]


def tried(trial, directory):
    return (crash_replica if trial.replica else crash_node).tried(trial, directory)


if __name__ == "__main__":
    main()
