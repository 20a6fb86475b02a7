"""Clients that append to tables and read them at any node, and remember each operation with its times and its outcome."""

import random
import re
import threading
import time
from collections import Counter

from linearizable import APPEND, OK, READ, REFUSED, UNKNOWN, Operation

APPENDS_OF_100 = 60
WAIT_SECONDS_MAX = 180
# One operation. Longer than an election; whoever waits for a node that is held or cut off tries another one then.
CALL_SECONDS_MAX = 8
PAUSE_SECONDS = 0.05
ADDRESS = re.compile(r"\d+(\.\d+){3}:\d+")
# What the server says when nothing was written and nothing will be; anything else leaves it open.
DENIALS = ("another commit came first", "the ledger could not answer", "nothing was written", "nothing was committed")


class History:
    """The operations of all clients. Their count is the clock that faults go by."""

    def __init__(self):
        self.operations, self.moved, self.began = [], threading.Condition(), time.monotonic()
        self.acknowledged = 0

    def now(self):
        return time.monotonic() - self.began

    def note(self, operation):
        with self.moved:
            self.operations.append(operation)
            self.acknowledged += operation.outcome == OK
            self.moved.notify_all()

    def wait_for(self, more, acknowledged=True):
        """Until so many more operations are acknowledged, or are completed with whatever outcome."""
        count = (lambda: self.acknowledged) if acknowledged else (lambda: len(self.operations))
        with self.moved:
            aim = count() + more
            reached = self.moved.wait_for(lambda: count() >= aim, WAIT_SECONDS_MAX)
            last = "\n".join(map(str, self.operations[-8:]))
        assert reached, f"not {more} more operations within {WAIT_SECONDS_MAX} s; the last were\n{last}"

    def perform(self, cursor, kind, table, value, client, node):
        """One operation. What the driver raises is raised again, once it is noted."""
        outcome, began = UNKNOWN, self.now()
        try:
            if kind == APPEND:
                cursor.execute(f"INSERT INTO {table} VALUES ({value})")
            else:
                cursor.execute(f"SELECT value FROM {table}")
                value = seen([value for (value,) in cursor.fetchall()])
            outcome = OK
        except Exception as error:
            if any(words in str(error) for words in DENIALS):
                outcome = REFUSED
            raise
        finally:
            self.note(Operation(kind, table, value, outcome, began, self.now(), client, node.data.name))


def seen(values):
    assert len(values) == len(set(values)), f"a read shows a value twice: {sorted(values)}"
    return frozenset(values)


class Clients:
    """`count` threads, each at a node until that one fails it. `tables` are those that they use at the moment."""

    def __init__(self, group, history, tables, seed, count=4):
        self.group, self.history, self.tables = group, history, tables
        self.stopping, self.defects, self.errors = threading.Event(), [], Counter()
        self.threads = [threading.Thread(target=self._run, args=(n, random.Random(f"{seed} {n}"))) for n in range(count)]
        for thread in self.threads:
            thread.start()

    def end(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()
        assert not self.defects, self.defects

    def _run(self, me, chance):
        at, value = me, (me + 1) * 1_000_000
        while not self.stopping.is_set():
            node = self.group.nodes[at % len(self.group.nodes)]
            try:
                with node.connect(call_seconds_max=CALL_SECONDS_MAX) as connection:
                    while not self.stopping.is_set():
                        value += 1
                        kind = APPEND if chance.randrange(100) < APPENDS_OF_100 else READ
                        with connection.cursor() as cursor:
                            self.history.perform(cursor, kind, chance.choice(self.tables), value, f"c{me + 1}", node)
            except AssertionError as error:
                self.defects.append(error)
                return
            except Exception as error:  # whatever a driver makes of a node that is gone
                self.errors[ADDRESS.sub("ADDRESS", " ".join(str(error).split()))[:150]] += 1
                at += 1
                time.sleep(PAUSE_SECONDS)
