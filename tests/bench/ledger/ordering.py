"""Durable writes a second and their latency: leaves certified by a quorum of four replicas, against puts of etcd."""

import statistics

import etcd
import replicas
from report import Section, ratio

# Name, clients, and writes a second of each; as soon as the last is answered where there is none.
LOADS = (
    ("1 client, 10/s", 1, 10),
    ("1 client", 1, None),
    ("64 clients", 64, None),
    ("256 clients", 256, None),
)
# What is left without the signatures of leaves: the ordering alone, with its certificates.
UNSIGNED = "DAB, leaves unsigned"
LIGHT, HEAVY = LOADS[:2], LOADS[2:]
P50_MS_MAX, P99_MS_MAX = 150, 1000


def measure(setting):
    section = Section("ordering", "leaves certified, against etcd's puts")
    section.say(
        "Both sides on one machine and one file system, every write synced by a majority before it is answered, the "
        "clients spread over all replicas or members. Each turn begins with nothing and has a second to warm up. Median "
        "of the rounds; the ranges are of the writes a second."
    )
    sides = ["DAB"]
    reason = etcd.missing()
    if reason is None:
        sides.append("etcd")
        described = (
            f"{etcd.MEMBERS} members ({etcd.version()}), each its own process; clients over gRPC without TLS, up to 8 on a "
            f"connection that stays open. A put of as many bytes as a leaf has: ordered, synced, stored. No signature, "
            "no tree, no certificate."
        )
    else:
        described = f"left out: {reason}."
    section.sides(
        {
            "DAB": "4 replicas in one process, TLS between them; clients in that process call the node. A leaf: signed by "
            "the client, its signature checked by each of the four, ordered, synced, in the Merkle tree and in public "
            "files on each, and answered with a receipt under a checkpoint that three of four have cosigned.",
            UNSIGNED: "the same without the writer's signature and the four checks of it; the leaf is as long. No node does that.",
            "etcd": described,
        }
    )
    sides.insert(1, UNSIGNED)
    found = {load[0]: {side: [] for side in sides if side != UNSIGNED or load in HEAVY} for load in LOADS}
    for _ in range(setting.rounds):
        for load in LOADS:
            ours = replicas.load(setting.subfolder("replicas"), load[1], load[2], setting.seconds)
            found[load[0]]["DAB"].append(ours)
            if load in HEAVY:
                turn = replicas.load(setting.subfolder("replicas"), load[1], load[2], setting.seconds, unsigned=True)
                found[load[0]][UNSIGNED].append(turn)
            if "etcd" in sides:
                found[load[0]]["etcd"].append(etcd_turn(setting, load, ours["bytes"]))
    section.data = found
    section.table(
        ["load", "side", "writes/s", "min – max", "p50 ms", "p99 ms", "÷ etcd"],
        [row(name, side, turns, of) for name, of in found.items() for side, turns in of.items()],
    )
    say_what_it_costs(section, found)
    judge(section, found)
    return section


def etcd_turn(setting, load, value_bytes):
    with etcd.Etcd(setting.subfolder("etcd")) as cluster:
        return cluster.load(load[1], load[2], setting.seconds, value_bytes)


def middle(turns, what):
    return statistics.median(turn[what] for turn in turns)


def row(name, side, turns, of):
    rates = [turn["per_s"] for turn in turns]
    beside = ratio(middle(turns, "per_s") / middle(of["etcd"], "per_s")) if "etcd" in of else "–"
    times = [f"{middle(turns, what):.1f}" for what in ("p50_ms", "p99_ms")]
    return [name, side, f"{statistics.median(rates):.0f}", f"{min(rates):.0f} – {max(rates):.0f}", *times, beside]


def say_what_it_costs(section, found):
    turns = found[HEAVY[-1][0]]["DAB"]
    section.say(
        f"Of DAB under the last load: a leaf has {turns[0]['bytes']} bytes and costs {middle(turns, 'cpu_ms_per_leaf'):.2f} "
        f"ms of processor time, all four replicas and the clients' signatures together, "
        f"{middle(turns, 'raft_threads_share'):.0%} of it on the four raft threads, and "
        f"{middle(turns, 'fdatasyncs_per_leaf'):.3f} fdatasyncs of raft logs. One check of a signature takes "
        f"{middle(turns, 'check_us'):.0f} µs here."
    )


def judge(section, found):
    for name, of in ((load[0], found[load[0]]) for load in HEAVY):
        if "etcd" in of:
            times = middle(of["DAB"], "per_s") / middle(of["etcd"], "per_s")
            text = f"{name}: at least etcd's durable writes a second, with every signature checked by every replica"
            section.aim(text, times >= 1, f"{times:.2f} times")
            times = middle(of[UNSIGNED], "per_s") / middle(of["etcd"], "per_s")
            section.aim(f"{name}: 3 times etcd's for unsigned leaves of equal size", times >= 3, f"{times:.2f} times")
    for name, of in ((load[0], found[load[0]]["DAB"]) for load in LIGHT):
        p50, p99 = middle(of, "p50_ms"), middle(of, "p99_ms")
        met = p50 <= P50_MS_MAX and p99 <= P99_MS_MAX
        text = f"{name}: certified within {P50_MS_MAX} ms at p50, {P99_MS_MAX} ms at p99"
        section.aim(text, met, f"{p50:.1f} and {p99:.1f} ms")
