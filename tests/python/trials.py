"""A long list of trials, each tried once: several at a time, and over interruptions.

The list and what came of each stand in the campaign's directory, as lines of JSON in `trials` and `outcomes`: who starts a
campaign again over the same directory goes on where it was, and its report is that of all."""

import json
import multiprocessing
import shutil
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
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


def carried_out(tried, trials, directory, jobs):
    """Tries those that no outcome stands of, reports on all, and returns how many went wrong. `tried` is told a trial and
    a fresh directory, which stays where something is wrong."""
    remembered = directory / "outcomes"
    remembered.touch()
    outcomes = {}
    for line in remembered.read_text().splitlines():
        number, outcome = json.loads(line)
        outcomes[number] = Outcome(**outcome)
    due = {number: trial for number, trial in enumerate(trials, 1) if number not in outcomes}
    if outcomes:
        say(f"{len(outcomes)} of them were tried before")
    # drivers with threads of their own do not bear a fork
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), quiet)
    try:
        running = {pool.submit(one, tried, trial, directory / str(number)): number for number, trial in due.items()}
        for done in as_completed(running):
            number, outcome = running[done], done.result()
            outcomes[number] = outcome
            with remembered.open("a") as lines:
                lines.write(json.dumps([number, asdict(outcome)]) + "\n")
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
    ended = ((trials[number - 1], outcome.how) for number, outcome in outcomes.items())
    ends = Counter(f"{trial.kind} {trial.replica}".strip() + f": {how}" for trial, how in ended)
    for end, count in sorted(ends.items()):
        say(f"{count} x {end}")
    told = sum((Counter(outcome.errors) for outcome in outcomes.values()), Counter())
    for words, count in told.most_common():
        say(f"  {count} x {words}")
    wrong = sum(bool(outcome.found) for outcome in outcomes.values())
    took = sum(outcome.seconds for outcome in outcomes.values())
    verdict = f"{wrong} went wrong" if wrong else "nothing is wrong"
    say(f"{len(outcomes)} of {len(trials)} trials, {took:.0f} s of trying; {verdict}")
