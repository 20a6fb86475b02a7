"""Machines that are network namespaces of Linux, and a network between them that can be cut and made to lose packets.

`in_a_world_of_its_own` starts a program in fresh user, mount, process and network namespaces: it may do there what else
only root may, nothing of it is seen outside, and all of it ends with the program. Within, a `Network` joins the machines:

    clients -- bridge br0 (10.77.0.254) --+-- n1 (10.77.0.1)
                                          +-- n2 (10.77.0.2)  ...

Packets between two machines pass the bridge, where nftables drops some: all from one to another, or some of all by chance.
Who is cut off learns nothing of it. Packets between the clients and the machines are never dropped.

What is cut one way is cut for packets. TCP lets what was under way the other way still arrive, some ten segments, and then
waits for acknowledgements that do not come: the connection is deaf on one side for a while, and then dead on both.
"""

import os
import re
import shutil
import subprocess

# Where Debian has the tools, though only root has it in the path.
SEARCHED = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
TOOLS = ("unshare", "nsenter", "mount", "ip", "nft")
OWN_WORLD = ("--user", "--map-root-user", "--mount", "--net", "--pid", "--fork", "--mount-proc", "--kill-child")
PREFIX = "10.77.0"
CHAIN = "chain links {{ type filter hook forward priority 0; policy accept; {}\n}}"
RULES = f"table bridge faults {{{{ counter dropped {{{{ }}}}\n{CHAIN}\n}}}}"
DROP = "counter name dropped drop"
LOST = f"numgen random mod 100 <= {{}} {DROP}"


def why_not():
    """Why no such world can be made on this machine; `None` where it can."""
    missing = [name for name in TOOLS if not shutil.which(name, path=SEARCHED)]
    if missing:
        return f"not installed: {', '.join(missing)}"
    # everything that a network needs of the kernel, and that a container may be denied
    steps = ["mount -t tmpfs none /run", "ip netns add n1", "ip link add br0 type bridge"]
    steps += ["ip link add veth1 type veth peer name eth0 netns n1", f"nft '{RULES.format(LOST.format(0))}'"]
    done = in_a_world_of_its_own("sh", "-c", " && ".join(steps), capture_output=True, text=True)
    if done.returncode != 0:
        return f"no network namespaces with nftables can be made here: {done.stderr.strip()}"
    return None


def in_a_world_of_its_own(*command, **options):
    """Runs a program to its end in namespaces of its own, as their root."""
    options["env"] = options.get("env", os.environ) | {"PATH": SEARCHED}
    return subprocess.run(["unshare", *OWN_WORLD, "--", *map(str, command)], **options)


class Network:
    """The network of `count` machines, numbered from 1. Only to be made in a world of one's own."""

    def __init__(self, count):
        self.machines = range(1, count + 1)
        self.cuts, self.lost_percent = set(), 0
        tool("mount", "-t", "tmpfs", "none", "/run")  # names of namespaces stand below
        tool("ip", "link", "set", "lo", "up")
        tool("ip", "link", "add", "br0", "type", "bridge")
        tool("ip", "address", "add", f"{PREFIX}.254/24", "dev", "br0")
        tool("ip", "link", "set", "br0", "up")
        for n in self.machines:
            tool("ip", "netns", "add", f"n{n}")
            tool("ip", "link", "add", f"veth{n}", "type", "veth", "peer", "name", "eth0", "netns", f"n{n}")
            tool("ip", "link", "set", f"veth{n}", "master", "br0", "up")
            tool(*self.under(n), "ip", "link", "set", "lo", "up")
            tool(*self.under(n), "ip", "address", "add", f"{self.host(n)}/24", "dev", "eth0")
            tool(*self.under(n), "ip", "link", "set", "eth0", "up")
        tool("nft", RULES.format(""))

    def host(self, n):
        return f"{PREFIX}.{n}"

    def under(self, n):
        """What to run a command under, so that it runs on machine `n`. It becomes the command: the process is the same."""
        return ("nsenter", f"--net=/run/netns/n{n}")

    def cut(self, pairs):
        """From now on nothing gets from the first to the second of each pair."""
        self.cuts |= set(pairs)
        self._say()

    def lose(self, percent):
        """From now on each packet between two machines is lost with this chance."""
        self.lost_percent = percent
        self._say()

    def heal(self):
        self.cuts, self.lost_percent = set(), 0
        self._say()

    def dropped(self):
        """Packets that were dropped so far."""
        listed = tool("nft", "list counter bridge faults dropped")
        return int(re.search(r"packets (\d+)", listed)[1])

    def _say(self):
        rules = [f"ip saddr {self.host(a)} ip daddr {self.host(b)} {DROP}" for a, b in sorted(self.cuts)]
        if self.lost_percent:
            everyone = f"{{ {', '.join(map(self.host, self.machines))} }}"
            rules.append(f"ip saddr {everyone} ip daddr {everyone} {LOST.format(self.lost_percent - 1)}")
        # one transaction: no packet meets the half of it
        lines = ["flush chain bridge faults links", *(f"add rule bridge faults links {rule}" for rule in rules)]
        tool("nft", "\n".join(lines))


def tool(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout
