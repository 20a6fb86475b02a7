"""How long a client of a replica that stays waits when the leader crashes."""

import statistics

import replicas
from report import Section

GAP_MS_MAX = 3000


def measure(setting):
    section = Section("failover", "the leader of four replicas crashes")
    section.say(
        "One client notarizes at another replica, one leaf after the other. The longest time between two answers around "
        "the crash: raft's election, and a checkpoint that the three others have cosigned. The replica then starts again "
        "and catches up before the next round."
    )
    gaps = replicas.measure(setting.subfolder("failover"), "failover", "--rounds", setting.rounds)["gaps_ms"]
    section.table(["rounds", "median", "min – max"], [[len(gaps), f"{statistics.median(gaps):.0f} ms", bounds(gaps)]])
    section.data = {"gaps_ms": gaps}
    section.aim("answered again within 3 s", max(gaps) <= GAP_MS_MAX, f"at most {max(gaps):.0f} ms")
    return section


def bounds(gaps):
    return f"{min(gaps):.0f} – {max(gaps):.0f} ms"
