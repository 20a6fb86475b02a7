"""Whether what clients of several nodes saw could have been seen of one list in one place: linearizability.

Each table is a list. An append adds one value that nobody else adds; a read sees the values that are there. At the end the
list itself is known: each version of a table adds what one commit added. A history is linearizable if each operation can be
given a moment between its invocation and its completion so that, one after the other, they explain every answer. The list
fixes the order of the appends, and what a read has seen fixes between which two of them it stands:

    slot     0       1       2       3       4              read of nothing: slot 0      append number k: slot 2k - 1
           (empty)  [a]           [a, b]                    read of k values: slot 2k

So all is settled but for reads of one slot, which may stand in any order. The moments exist exactly if no operation that
had been completed before another was invoked has a higher slot than it. Tables are independent objects, for which it is
enough that each is linearizable by itself.
"""

import math
from dataclasses import dataclass

APPEND, READ = "append", "read"
# It was answered; the server says that nothing was done; nobody can say.
OK, REFUSED, UNKNOWN = "ok", "refused", "unknown"


@dataclass(frozen=True)
class Operation:
    """What one client asked and heard. `value` is what an append adds, or the frozen set that a read saw."""

    kind: str
    table: str
    value: object
    outcome: str
    began: float
    ended: float
    client: str = ""
    node: str = ""

    def __str__(self):
        value = f"{len(self.value)} values" if isinstance(self.value, frozenset) else self.value
        times = f"{self.began:.3f} to {self.ended:.3f} s"
        return f"{self.kind} of {value} in {self.table} by {self.client} at {self.node}, {times}, {self.outcome}"


def wrongs(operations, lists):
    """What is wrong with a history, one sentence each; none if it is linearizable. `lists` has for each table the values
    that its versions added, in their order, read when all was over."""
    found = []
    for table in sorted({operation.table for operation in operations} | set(lists)):
        of_table = [operation for operation in operations if operation.table == table]
        found += wrongs_of_table(table, of_table, lists.get(table, []))
    return found


def wrongs_of_table(table, operations, values):
    appends = {operation.value: operation for operation in operations if operation.kind == APPEND}
    doubled = sorted({value for value in values if values.count(value) > 1})
    found = [f"{table}: {value} is there {values.count(value)} times" for value in doubled]
    found += [f"{table}: {value} is there, and nobody appended it" for value in sorted(set(values) - set(appends))]
    for append in appends.values():
        if append.outcome == OK and append.value not in values:
            found.append(f"{table}: acknowledged and lost: {append}")
        if append.outcome == REFUSED and append.value in values:
            found.append(f"{table}: refused and there: {append}")
    if found:
        return found

    slotted = []
    for operation in operations:
        if operation.kind == APPEND and operation.value in values:
            # one that nobody heard the end of may have come about at any time since, as far as the client knows
            ended = operation.ended if operation.outcome == OK else math.inf
            slotted.append((2 * values.index(operation.value) + 1, operation.began, ended, operation))
        elif operation.kind == READ and operation.outcome == OK:
            if operation.value != frozenset(values[: len(operation.value)]):
                found.append(f"{table}: no beginning of the list: {operation}, {sorted(operation.value)} of {values}")
                continue
            slotted.append((2 * len(operation.value), operation.began, operation.ended, operation))
    return found + out_of_order(table, slotted)


def out_of_order(table, slotted):
    """Operations that were completed before others were invoked, and yet have to stand behind them."""
    found, latest, completed = [], None, sorted(slotted, key=lambda each: each[2])
    at = 0
    for slot, began, _, operation in sorted(slotted, key=lambda each: each[1]):
        while at < len(completed) and completed[at][2] < began:
            if latest is None or completed[at][0] > latest[0]:
                latest = completed[at]
            at += 1
        if latest is not None and latest[0] > slot:
            found.append(f"{table}: too late: {operation}, after {latest[3]}")
    return found
