"""Four replicas on machines of their own (network namespaces), under load: killed, held, cut off one way and both, packets
lost. Could one list for each table have answered all that clients saw, nothing acknowledged lost? How long is a failover?

`campaign.py` does it, for as long as wanted when called by hand. The seed is printed; DAB_TEST_SEED replays the faults."""

import sys
from pathlib import Path

import pytest

import namespaces
from faults import KILLED_LEADER, KINDS, schedule
from server import run

CAMPAIGN = Path(__file__).with_name("campaign.py")
ROUNDS = 7


def test_nothing_is_lost_or_seen_wrong_whatever_befalls_one_replica(tmp_path, capsys):
    reason = namespaces.why_not()
    if reason:
        pytest.skip(reason)
    done = run(sys.executable, CAMPAIGN, "--rounds", ROUNDS, "--dir", tmp_path, check=False, timeout=900)
    with capsys.disabled():
        print(f"\n{done.stdout}")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert "failover: " in done.stdout and done.stdout.endswith("nothing is wrong\n")


def test_a_seed_draws_the_same_faults_and_each_kind_before_one_comes_again():
    drawn = schedule(7, 2 * len(KINDS))
    assert drawn == schedule(7, 2 * len(KINDS)) != schedule(8, 2 * len(KINDS))
    kinds = [fault.kind for fault in drawn]
    assert sorted(kinds[: len(KINDS)]) == sorted(kinds[len(KINDS) :]) == sorted(KINDS)
    assert kinds[0] == KILLED_LEADER
