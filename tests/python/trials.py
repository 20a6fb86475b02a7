"""A long list of trials, each tried once: several at a time, and over interruptions.

The list and what came of each stand in the campaign's directory, as lines of JSON in `trials` and `outcomes`: who starts a
campaign again over the same directory goes on where it was, and its report is that of all."""

import fcntl
import json
import multiprocessing
import shutil
import sys
import time
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass, field

import syscalls
from campaign import say, tell_but_for_underflows


# Killed, and once more while it recovers.
AGAIN = "again"
KINDS = (*syscalls.KINDS, AGAIN)


@dataclass(frozen=True)
class Trial:
    """What is done at which point; `then` is the number of the call at which its recovery is killed. `replica` says of one
    among four whether it leads or follows; there is none where a node is alone."""

    kind: str
    point: str
    then: int = 0
    replica: str = ""

    def __str__(self):
        then = f" --then {self.then}" if self.then else ""
        replica = f"--replica {self.replica} " if self.replica else ""
        return f'{replica}--kind {self.kind} --point "{self.point}"{then}'

    @property
    def species(self):
        return f"{self.kind} {self.replica}".strip()

    @property
    def does(self):
        """What is done to the call."""
        return "kill" if self.kind == AGAIN else self.kind


@dataclass
class Outcome:
    """How the interrupted node ended, at which call its recovery was killed, what clients were told, what is wrong."""

    how: str = ""
    also: str = ""
    errors: dict = field(default_factory=dict)
    found: list = field(default_factory=list)
    seconds: float = 0.0


def written(directory, make):
    """The trials of this directory; those of `make` where it has none."""
    listed = directory / "trials"
    if not listed.exists():
        directory.mkdir(parents=True, exist_ok=True)
        complete = "".join(json.dumps(asdict(trial)) + "\n" for trial in make())
        fresh = listed.with_suffix(".new")
        fresh.write_text(complete)
        fresh.rename(listed)
    return [Trial(**json.loads(line)) for line in listed.read_text().splitlines()]


def carried_out(tried, trials, directory, jobs, kinds=KINDS):
    """Tries those of these kinds that no outcome stands of, reports on all, and returns how many went wrong. `tried` is told
    a trial and a fresh directory, which stays where something is wrong."""
    remembered, outcomes = (directory / "outcomes").open("a+"), {}
    try:
        fcntl.flock(remembered, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"another campaign is at work in {directory}")
    remembered.seek(0)
    for line in remembered:
        number, outcome = json.loads(line)
        outcomes[number] = Outcome(**outcome)
    due = {number: trial for number, trial in enumerate(trials, 1) if number not in outcomes and trial.kind in kinds}
    if outcomes:
        say(f"{len(outcomes)} of them were tried before")
    # drivers with threads of their own do not bear a fork
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), quiet)
    running = {}
    try:
        while due or running:
            # no more than are tried at once, as whoever interrupts the campaign waits for these
            while due and len(running) < jobs:
                number = min(due)
                running[pool.submit(one, tried, due.pop(number), directory / str(number))] = number
            for done in wait(running, return_when=FIRST_COMPLETED).done:
                number, outcome = running.pop(done), done.result()
                outcomes[number] = outcome
                remembered.write(json.dumps([number, asdict(outcome)]) + "\n")
                remembered.flush()
                wrong = [f"  WRONG: {sentence}" for sentence in outcome.found]
                say("\n".join([f"{number}. {trials[number - 1]}: {outcome.how}{outcome.also}", *wrong]))
    except KeyboardInterrupt:
        say("interrupted")
    finally:
        pool.shutdown(cancel_futures=True)
    report(trials, outcomes)
    return sum(bool(outcome.found) for outcome in outcomes.values())


def quiet():
    sys.unraisablehook = tell_but_for_underflows


def one(tried, trial, directory):
    """In a process of the pool."""
    began = time.monotonic()
    shutil.rmtree(directory, ignore_errors=True)  # of one that was interrupted
    directory.mkdir(parents=True)
    outcome = tried(trial, directory)
    outcome.seconds = time.monotonic() - began
    if not outcome.found:
        shutil.rmtree(directory)
    return outcome


def report(trials, outcomes):
    every = Counter(trial.species for trial in trials)
    for species, count in sorted(every.items()):
        ends = Counter(outcome.how for number, outcome in outcomes.items() if trials[number - 1].species == species)
        shown = ", ".join(f"{times} {how}" for how, times in ends.most_common())
        say(f"{species}: {ends.total()} of {count}" + (f"; {shown}" if shown else ""))
    told = sum((Counter(outcome.errors) for outcome in outcomes.values()), Counter())
    for words, count in told.most_common():
        say(f"  {count} x {words}")
    wrong = sum(bool(outcome.found) for outcome in outcomes.values())
    took = sum(outcome.seconds for outcome in outcomes.values())
    verdict = f"{wrong} went wrong" if wrong else "nothing is wrong"
    say(f"{len(outcomes)} of {len(trials)} trials, {took:.0f} s of trying; {verdict}")
