"""One replica of four under the workload, interrupted at a call that changes its files while it leads or follows: do the
others go on, is nothing acknowledged lost, and does it catch up once it is started again?

Calls count from the moment at which all are up and somebody leads, for who that is is chance. So a replica's first start is
not among them; that of a node alone is, and the recovery of a replica here is."""

import shutil
from dataclasses import dataclass

from crash_node import ended, how_it_ended, killed_in_recovery, last_words, uncaught
from crash_world import STATEMENTS, World, name
from faults import FOLLOWER, LEADER
from group import Group
from judgement import certified
from server import wait_until
from syscalls import logged, tracer
from trials import AGAIN, Outcome


@dataclass
class WorldOfReplicas(World):
    """Looks at a replica's files once they are those of all."""

    group: Group = None

    def _seen(self, server):
        wait_until(lambda: len(set(certified(self.group.nodes).values())) == 1)
        return super()._seen(server)


class Traced:
    """A group whose every replica can be interrupted, at the same point."""

    def __init__(self, directory, *meddling):
        self.directory, self.group = directory, Group(directory / "group")
        for node in self.group.nodes:
            node.under = self.under(node, self.calls(node), *meddling, armed=self.armed(node))
        self.world = WorldOfReplicas(group=self.group)

    def under(self, node, *arguments, **options):
        return tracer(node.data, *arguments, also=[("tables", self.group.tables)], **options)

    def calls(self, node):
        return self.directory / f"{node.data.name}.calls"

    def armed(self, node):
        return self.directory / f"{node.data.name}.armed"

    def end(self):
        for node in self.group.running():
            node.process.kill()
            node.process.wait()


def points(directory):
    """The calls of the leader and of one that follows it, in a life that nothing interrupts."""
    shutil.rmtree(directory, ignore_errors=True)  # of a campaign that was broken off here
    traced = Traced(directory)
    group = traced.group
    try:
        group.start()
        leader = group.leader()
        follower = next(node for node in group.nodes if node is not leader)
        for node in group.nodes:
            traced.armed(node).touch()
        traced.world.send_all(group.nodes)
        assert not traced.world.errors and group.leader() is leader, traced.world.errors
        return {LEADER: logged(traced.calls(leader))[0], FOLLOWER: logged(traced.calls(follower))[0]}
    finally:
        traced.end()


def tried(trial, directory):
    traced = Traced(directory, trial.point, trial.does)
    group, world = traced.group, traced.world
    how = also = ""
    try:
        group.start()
        leader = group.leader()
        injured = leader if trial.replica == LEADER else next(node for node in group.nodes if node is not leader)
        others = [node for node in group.nodes if node is not injured]
        traced.armed(injured).touch()
        world.send_all([injured, *others])
        how = how_it_ended(injured, world, traced.calls(injured))
        world.found += [f"the others did not answer: {name(each)}" for each in STATEMENTS if each not in world.answers]
        world.found += [f"{node.data.name} ended, too: {last_words(node)}" for node in others if not node.alive()]
        if trial.kind == AGAIN:
            calls = directory / "calls_of_recovery"
            injured.under = traced.under(injured, calls, trial.then, "kill")
            also = f", and its recovery at {killed_in_recovery(injured, calls)}"
        injured.under = ()
        injured.start()
        world.check_after_restart(injured)
        for node in group.nodes:
            if status := ended(node):
                world.found.append(f"{node.data.name} ends with {status}: {last_words(node)}")
            world.found += [f"{node.data.name} says: {line}" for line in uncaught(node)]
        for node in (injured, others[0]):
            world.check_files(node)
    except Exception as error:  # a trial that cannot be judged has failed, and the next one is another matter
        world.found.append(f"{type(error).__name__}: {error}")
    finally:
        traced.end()
    return Outcome(how, also, dict(world.errors), world.found)
