"""A node alone under a fixed small workload, interrupted at a call that changes its files, started again, and judged.

Some of the kinds end the node, and others have it go on or end itself. What was acknowledged although its sync failed is found
here, too."""

import re
import shutil
import signal

from crash_world import World, name
from judgement import bad_lines
from server import STOP_SECONDS_MAX, Server
from syscalls import SYNCS, logged, tracer
from trials import AGAIN, Outcome

# What no answer waits for, as a restart has it from elsewhere: the public files and their copy, the state.
MADE_ANEW = re.compile(r"tables/_ledger|public|private/state\.redb")
# Those who upload a data file give up a failed one by a call that panics then, and catch it (deltalake, object_store).
CAUGHT = re.compile(r"panicked at .*/object_store-[^/]+/src/buffered\.rs")


def points(directory):
    """The calls of a life that nothing interrupts."""
    shutil.rmtree(directory, ignore_errors=True)  # of a campaign that was broken off here
    directory.mkdir(parents=True)
    world, server = World(), Server(directory / "data", under=tracer(directory / "data", directory / "calls"))
    server.start()
    world.send_all([server])
    server.stop()
    assert not world.errors, world.errors
    return logged(directory / "calls")[0]


def tried(trial, directory):
    world, data, calls = World(), directory / "data", directory / "calls"
    how = also = ""
    server = Server(data, under=tracer(data, calls, trial.point, trial.does))
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
        world.found += uncaught(server)
    except Exception as error:  # a trial that cannot be judged has failed, and the next one is another matter
        world.found.append(f"{type(error).__name__}: {error}")
    finally:
        server.process.kill()
        server.process.wait()
    return Outcome(how, also, dict(world.errors), world.found)


def uncaught(server):
    return [line for line in bad_lines(server) if not CAUGHT.search(line)]


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
        world.send_all([server], between)
    return how_it_ended(server, world, calls) + ("" if up else " before it was up")


def how_it_ended(server, world, calls):
    """Of a node that was interrupted, or has to be stopped."""
    status = ended(server)
    if logged(calls)[1] is None:
        return "the point was not met"
    if status == -signal.SIGKILL:
        return "killed"
    if status == 0:
        return "went on"
    if status < 0 or not last_words(server).startswith("error: "):
        world.found.append(f"it ends with {status} and does not say why: {last_words(server)}")
    return "ended itself"


def is_waited_for(point, points):
    """Whether it syncs what an answer promises: the raft log, a data file, a staged commit, or the name of one. A commit file
    is published from the raft log or its staged copy, by the next start if need be."""
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
