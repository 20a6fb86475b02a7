"""A node under a fixed small workload, interrupted at a call that changes its files, started again, and judged: at every call.

    python crash_points.py [--kind KIND]... [--count N] [--seed N] [--point POINT [--then N]] [--dir DIR] [--jobs N]

DAB_BINARY names the binary. A first run without interruption tells which calls there are; `syscalls.py` says what a point is, and
what can be done to it. A campaign that was broken off goes on when it is started over its directory again. Of the kinds, `kill` and `tear` end the node, `eio` and `enospc` have it go on or end itself. `again` kills it
at the point and once more while it recovers, at the call of this number. Exit status 0: everything acknowledged is there, every
statement whole or not at all and once, all verifiers accept the ledger, and the node takes further writes. What is wrong is said
in sentences, with the arguments that try the point again, and its files stay.

Whoever is killed by a signal leaves to the kernel what was written and not synced. So this shows that calls come in the right
order and that every prefix of them can be started from; what a power cut takes, the simulator shows. A failed sync is another
matter: what was acknowledged although its sync failed is found here.
"""

import argparse
import os
import random
import re
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import syscalls
from campaign import say
from crash_world import World, name
from judgement import bad_lines
from server import STOP_SECONDS_MAX, Server
from syscalls import SYNCS, TAKE_ROOM, TEARABLE, logged, tracer
from trials import Outcome, Trial, carried_out, written

AGAIN = "again"
KINDS = (*syscalls.KINDS, AGAIN)
# About as many as a recovery makes; one that makes fewer is killed when it is up.
RECOVERY_CALLS_MAX = 90
# What no answer waits for, as a restart has it from elsewhere: the public files and their copy, the state.
MADE_ANEW = re.compile(r"tables/_ledger|public|private/state\.redb")
# Those who upload a data file give up a failed one by a call that panics then, and catch it (deltalake, object_store).
CAUGHT = re.compile(r"panicked at .*/object_store-[^/]+/src/buffered\.rs")


def main():
    arguments = parsed()
    reason = syscalls.why_not()
    if reason:
        sys.exit(reason)
    directory = arguments.dir or Path(tempfile.mkdtemp(prefix="dab-crash-points-"))
    if arguments.point:
        trials = written(directory, lambda: [Trial(arguments.kind[0], arguments.point, arguments.then)])
    else:
        trials = written(directory, lambda: drawn(points(directory / "counted"), arguments))
        say(f"DAB_TEST_SEED={arguments.seed}, {len(trials)} trials, in {directory}")
    sys.exit(1 if carried_out(tried, trials, directory, arguments.jobs) else 0)


def parsed():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", action="append", choices=KINDS, help="to be given once for each kind [default: all]")
    parser.add_argument("--count", type=int, help="so many trials, in turns of each kind [default: every point]")
    seed = int(os.environ.get("DAB_TEST_SEED") or random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--seed", type=int, default=seed, help="shuffles them [default: DAB_TEST_SEED, or by chance]")
    parser.add_argument("--point", help="this one alone")
    parser.add_argument("--then", type=int, default=0, help="which call of the recovery, for --kind again")
    parser.add_argument("--dir", type=Path, help="where everything lies [default: a new one for temporary files]")
    parser.add_argument("--jobs", type=int, default=1, help="so many trials at a time [default: 1]")
    arguments = parser.parse_args()
    arguments.kind = arguments.kind or list(KINDS)
    return arguments


def points(directory):
    """The calls of a life that nothing interrupts."""
    shutil.rmtree(directory, ignore_errors=True)  # of a campaign that was broken off here
    directory.mkdir(parents=True)
    world, server = World(), Server(directory / "data", under=tracer(directory / "data", directory / "calls"))
    server.start()
    world.send_all(server)
    server.stop()
    assert not world.errors, world.errors
    return logged(directory / "calls")[0]


def drawn(every, arguments):
    """The trials, in an order that the seed shuffles, and in turns of the kinds. The public copy follows when it can, so that a few
    points are not in every run."""
    chance, by_kind = random.Random(arguments.seed), []
    for kind in arguments.kind:
        able = {"tear": TEARABLE, "enospc": TAKE_ROOM}.get(kind)
        those = sorted((point for point in every if able is None or point.call in able), key=str)
        chance.shuffle(those)
        then = (lambda: chance.randint(1, RECOVERY_CALLS_MAX)) if kind == AGAIN else (lambda: 0)
        by_kind.append([Trial(kind, str(point), then()) for point in those])
    turns = (trials[n] for n in range(len(every)) for trials in by_kind if n < len(trials))
    return [trial for trial, _ in zip(turns, range(arguments.count or sys.maxsize))]


def tried(trial, directory):
    world, data, calls = World(), directory / "data", directory / "calls"
    how = also = ""
    server = Server(data, under=tracer(data, calls, trial.point, "kill" if trial.kind == AGAIN else trial.kind))
    try:
        how = interrupted(server, world, calls)
        if trial.kind == AGAIN:
            calls = directory / "calls_of_recovery"
            server = Server(data, under=tracer(data, calls, trial.then, "kill"))
            also = f", and its recovery at {killed_in_recovery(server, calls)}"
        server = Server(data)
        if server.launch().comes_up():
            world.check_after_restart(server)
        status = ended(server)
        if status:
            world.found.append(f"started again, it ends with {status}: {last_words(server)}")
        world.check_files(server)
        world.found += [line for line in bad_lines(server) if not CAUGHT.search(line)]
    except Exception as error:  # a trial that cannot be judged has failed, and the next one is another matter
        world.found.append(f"{type(error).__name__}: {error}")
    finally:
        server.process.kill()
        server.process.wait()
    return Outcome(how, also, dict(world.errors), world.found)


def interrupted(server, world, calls):
    """One life, from the first start to its end."""

    def between(statement, acknowledged):
        nonlocal before
        points, point = logged(calls)
        mine, before = points[before:], len(points)
        if acknowledged and point and is_waited_for(point, points):
            # the kernel may have dropped what it could not write, and say the next time that all is well
            again = "*" not in point.path and any(each.call in SYNCS and each.path == point.path for each in mine)
            if again or point in mine:
                world.found.append(f"acknowledged although {point} had failed: {name(statement)}")

    up, before = server.launch().comes_up(), len(logged(calls)[0])
    if up:
        world.send_all(server, between)
    status = ended(server)
    if logged(calls)[1] is None:
        return "the point was not met"
    if status == -signal.SIGKILL:
        return "killed before it was up" if not up else "killed"
    if status == 0:
        return "went on"
    if status < 0 or not last_words(server).startswith("error: "):
        world.found.append(f"it ends with {status} and does not say why: {last_words(server)}")
    return "ended itself before it was up" if not up else "ended itself"


def is_waited_for(point, points):
    """Whether it syncs what an answer promises: the raft log, a data file, a staged commit, or the name of one. A commit file is
    published from the raft log or its staged copy, by the next start if need be."""
    below = [each.path for each in points[: points.index(point)] if each.path.startswith(f"{point.path}/")]
    named = below[-1] if "*" not in point.path and below else point.path
    published = re.search(r"/_delta_log(/[^/]*)?$", named) and not named.endswith("_staged_commits")
    return point.call in SYNCS and not published and not MADE_ANEW.match(point.path)


def ended(server):
    """The status of a node that is asked to stop, or has ended already."""
    server.process.send_signal(signal.SIGTERM)
    return server.process.wait(STOP_SECONDS_MAX)


def last_words(server):
    return (server.log().splitlines() or [""])[-1]


def killed_in_recovery(server, calls):
    """Where: a recovery that makes fewer calls is killed when it is up."""
    server.launch().comes_up()
    server.process.kill()
    server.process.wait()
    return logged(calls)[1] or "its end"


if __name__ == "__main__":
    main()
