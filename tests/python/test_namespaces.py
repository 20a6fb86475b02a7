"""Does the network between machines that are namespaces drop what it is told to drop, and nothing else? (no `dab` needed)"""

import subprocess
import sys
from pathlib import Path

import pytest

import namespaces
from server import run

RECEIVE = """
import socket, sys
receiver = socket.socket(type=socket.SOCK_DGRAM)
receiver.bind((sys.argv[1], 4000))
print("listens", flush=True)
while (word := receiver.recv(100).decode()) != "end":
    print(word, flush=True)
"""
SEND = "import socket, sys; socket.socket(type=socket.SOCK_DGRAM).sendto(sys.argv[2].encode(), (sys.argv[1], 4000))"


def test_what_is_cut_or_lost_does_not_arrive_and_all_else_does():
    reason = namespaces.why_not()
    if reason:
        pytest.skip(reason)
    inside = [sys.executable, "-c", "import test_namespaces; test_namespaces.inside()"]
    done = namespaces.in_a_world_of_its_own(
        *inside, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    # a datagram that was dropped never comes; one that is sent later on the same way shows that it would have come by then
    assert done.stdout.splitlines() == ["1 was dropped, then 3", "1: back, healed", "2: before, healed"]


def inside():
    network = namespaces.Network(2)
    receivers = [receiver(network, n) for n in network.machines]
    send(network, 1, 2, "before")
    network.cut({(1, 2)})
    send(network, 1, 2, "cut")
    send(network, 2, 1, "back")
    cut = network.dropped()
    network.heal()
    network.lose(100)
    send(network, 1, 2, "lost")
    send(network, 2, 1, "lost")
    network.heal()
    print(f"{cut} was dropped, then {network.dropped()}")
    for a, b in [(1, 2), (2, 1)]:
        send(network, a, b, "healed")
        send(network, a, b, "end")
    for n, process in zip(network.machines, receivers):
        print(f"{n}: {', '.join(process.communicate(timeout=60)[0].split())}")


def receiver(network, n):
    command = [*network.under(n), sys.executable, "-c", RECEIVE, network.host(n)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "listens\n"
    return process


def send(network, a, b, word):
    run(*network.under(a), sys.executable, "-c", SEND, network.host(b), word)
