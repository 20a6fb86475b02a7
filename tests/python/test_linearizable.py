"""Does the judge of histories refuse what no single list could have answered? (no `dab` needed)"""

import itertools
import os
import random

import pytest

from linearizable import APPEND, OK, READ, REFUSED, UNKNOWN, Operation, wrongs

HISTORIES = 3000


def append(value, began, ended, outcome=OK):
    return Operation(APPEND, "t", value, outcome, began, ended)


def read(values, began, ended, outcome=OK):
    return Operation(READ, "t", frozenset(values), outcome, began, ended)


def judged(operations, values):
    return " | ".join(wrongs(operations, {"t": values}))


@pytest.mark.parametrize(
    "operations, values",
    [
        ([], []),
        ([append(1, 0, 1), read([1], 2, 3)], [1]),
        ([append(1, 0, 9), append(2, 0, 9), read([2], 1, 2)], [2, 1]),
        # nobody heard of its end, and it came about later, at once, or never
        ([append(1, 0, 1, UNKNOWN), read([], 2, 3), read([1], 4, 5)], [1]),
        ([append(1, 0, 1, UNKNOWN), read([1], 0, 1)], [1]),
        ([append(1, 0, 1, UNKNOWN), read([], 2, 3)], []),
        ([append(1, 0, 1, REFUSED), read([], 2, 3)], []),
        # reads that overlap an append may disagree about it
        ([append(1, 0, 9), read([1], 1, 4), read([], 2, 3)], [1]),
        # a read without an answer says nothing
        ([append(1, 0, 1), read([], 2, 3, UNKNOWN)], [1]),
    ],
)
def test_histories_of_one_list_pass(operations, values):
    assert judged(operations, values) == ""


@pytest.mark.parametrize(
    "operations, values, words",
    [
        ([append(1, 0, 1), append(2, 2, 3)], [2], "acknowledged and lost: append of 1"),
        ([append(1, 0, 1), read([], 2, 3)], [1], "too late: read of 0 values"),
        ([append(1, 0, 1), append(2, 0, 1), read([1, 2], 2, 3), read([1], 4, 5)], [1, 2], "too late: read of 1 values"),
        ([append(1, 0, 1)], [1, 1], "1 is there 2 times"),
        ([append(1, 0, 1), append(2, 2, 3)], [2, 1], "too late: append of 2"),
        ([append(1, 0, 9), append(2, 0, 9), read([1], 1, 2), read([2], 3, 4)], [1, 2], "no beginning of the list"),
        ([append(1, 0, 1, REFUSED)], [1], "refused and there"),
        ([append(1, 0, 1)], [1, 7], "7 is there, and nobody appended it"),
        ([append(1, 0, 1), read([1, 7], 2, 3)], [1], "no beginning of the list"),
        # seen before it was asked for
        ([read([1], 0, 1), append(1, 2, 3, UNKNOWN)], [1], "too late: append of 1"),
        # seen, and gone again
        ([append(1, 0, 1, UNKNOWN), read([1], 2, 3), read([], 4, 5)], [1], "too late: read of 0 values"),
        ([append(1, 0, 1, UNKNOWN), read([1], 2, 3)], [], "no beginning of the list"),
    ],
)
def test_what_no_list_could_have_answered_is_refused(operations, values, words):
    assert words in judged(operations, values), judged(operations, values)


def test_tables_are_judged_each_by_itself():
    other = Operation(APPEND, "u", 1, OK, 0, 1)
    assert wrongs([append(1, 0, 1), other], {"t": [1], "u": [1]}) == []
    assert "u: acknowledged and lost" in wrongs([append(1, 0, 1), other], {"t": [1]})[0]


def test_the_verdicts_are_those_of_a_search_through_all_orders(capsys):
    seed = int(os.environ.get("DAB_TEST_SEED") or random.SystemRandom().randrange(1 << 32))
    with capsys.disabled():
        print(f"\ntest_linearizable: DAB_TEST_SEED={seed}")
    chance, verdicts = random.Random(seed), []
    for _ in range(HISTORIES):
        operations, values = history(chance)
        verdicts.append(explained(operations, values))
        assert (judged(operations, values) == "") == verdicts[-1], (operations, values)
    assert HISTORIES / 10 < sum(verdicts) < HISTORIES * 9 / 10, "both verdicts occur often enough to be compared"


def history(chance):
    """A short history around a list: right for the most part, as the interesting ones are."""
    values = list(range(chance.randrange(4)))
    operations = []
    for value in range(len(values) + chance.randrange(2)):
        began = chance.randrange(12) if chance.random() < 0.3 else 3 * value + chance.randrange(3)
        operations.append(append(value, began, began + 0.5 + chance.randrange(5), chance.choice([OK, OK, UNKNOWN, REFUSED])))
    for _ in range(chance.randrange(1, 4)):
        seen = chance.randrange(len(values) + 1)
        began = chance.randrange(12) if chance.random() < 0.3 else 3 * seen + chance.randrange(3)
        operations.append(read(values[:seen], began, began + 0.5 + chance.randrange(5)))
    if chance.random() < 0.1:
        chance.shuffle(values)
    return operations, values


def explained(operations, values):
    """Whether some order of the operations explains all answers and ends with these values: by trying all of them."""
    certain = [each for each in operations if each.outcome == OK]
    unsure = [each for each in operations if each.outcome == UNKNOWN and each.kind == APPEND]
    for count in range(len(unsure) + 1):
        for happened in itertools.combinations(unsure, count):
            if any(explains(order, values) for order in itertools.permutations(certain + list(happened))):
                return True
    return False


def explains(order, values):
    held = []
    for at, operation in enumerate(order):
        if any(later.outcome == OK and later.ended < operation.began for later in order[at + 1 :]):
            return False
        if operation.kind == APPEND:
            held.append(operation.value)
        elif operation.value != frozenset(held):
            return False
    return held == values
