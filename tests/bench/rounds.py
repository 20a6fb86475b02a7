"""Turns: every side once to warm up, then A B A B …, so that noise of the machine falls on all alike."""

import os
import time

from report import Times


class Side:
    """One way to do a thing. `prepare` is not timed, `act` is; the result of `prepare` is handed to `act`."""

    def __init__(self, act, prepare=None):
        self.act, self.prepare = act, prepare


def interleave(sides, rounds, warmups=1, settle=False):
    """Seconds of each side, by name. With `settle`, dirty pages are written out before each turn, so that no side pays
    for what another left behind."""
    seconds = {name: [] for name in sides}
    for turn in range(-warmups, rounds):
        for name, side in sides.items():
            given = (side.prepare(),) if side.prepare else ()
            if settle:
                os.sync()
            began = time.perf_counter()
            side.act(*given)
            taken = time.perf_counter() - began
            if turn >= 0:
                seconds[name].append(taken)
    return {name: Times(taken) for name, taken in seconds.items()}
