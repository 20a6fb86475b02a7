"""Runs a program and meddles with one of its calls that change files: the process is killed there, or the call fails.

    python syscalls.py --below DIR [--also NAME=DIR]... --log FILE [--armed FILE] [--at POINT --do KIND] -- COMMAND...

The kernel asks a second process, which this one leaves behind, before each such call of any thread (seccomp's user
notification), so the calls stand in one order, and those before the point have been let go while it and all later ones are not
made. Why not strace: its `when=N` counts each thread's calls apart, its `-P` takes no folder, so that sockets count too. The
command keeps this program's process id. Only calls that work below the folder are counted and logged, one a line as a `Point`;
the one that was met has a `!` in front. Other folders count as if they were below it under the names that are given, and nothing
counts before the file `--armed` is there.

A point is the call, the path as it is in every run (what is drawn by chance in names is a `*`), and which of these calls it is;
or a number, for the so-maniest call of all. What is done to it:

    kill     the process dies by SIGKILL instead of making the call
    tear     half of the bytes are written, then it dies (write and pwrite64 alone)
    eio      the call fails with EIO, once
    enospc   it and all later calls that take room fail with ENOSPC

The files are those that the kernel holds after a killed process, synced or not: what is shown is the order of the calls. What a
power cut leaves, the simulator shows (`tests/simulation`).
"""

import argparse
import ctypes
import errno
import fcntl
import os
import platform
import re
import select
import signal
import socket
import struct
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

KINDS = ("kill", "tear", "eio", "enospc")
# Number on x86_64, and the argument that says where it works: a descriptor, a path, or a path below a folder's descriptor.
# Of two paths it is the new one.
CALLS = {
    "write": (1, "fd", 0),
    "pwrite64": (18, "fd", 0),
    "writev": (20, "fd", 0),
    "pwritev": (296, "fd", 0),
    "pwritev2": (328, "fd", 0),
    "sendfile": (40, "fd", 0),
    "copy_file_range": (326, "fd", 2),
    "fallocate": (285, "fd", 0),
    "truncate": (76, "path", 0),
    "ftruncate": (77, "fd", 0),
    "fsync": (74, "fd", 0),
    "fdatasync": (75, "fd", 0),
    "sync_file_range": (277, "fd", 0),
    "syncfs": (306, "fd", 0),
    "open": (2, "path", 0),
    "openat": (257, "at", 0),
    "creat": (85, "path", 0),
    "rename": (82, "path", 1),
    "renameat": (264, "at", 2),
    "renameat2": (316, "at", 2),
    "link": (86, "path", 1),
    "linkat": (265, "at", 2),
    "symlink": (88, "path", 1),
    "symlinkat": (266, "at", 1),
    "unlink": (87, "path", 0),
    "unlinkat": (263, "at", 0),
    "rmdir": (84, "path", 0),
    "mkdir": (83, "path", 0),
    "mkdirat": (258, "at", 0),
    "chmod": (90, "path", 0),
    "fchmod": (91, "fd", 0),
    "fchmodat": (268, "at", 0),
}
# Which argument has the flags of a call that changes something only if it makes or empties a file.
OPENING = {"open": 1, "openat": 2}
MAKES_OR_EMPTIES = os.O_CREAT | os.O_TRUNC
SYNCS = ("fsync", "fdatasync", "sync_file_range", "syncfs")
TAKE_ROOM = ("write", "pwrite64", "writev", "pwritev", "pwritev2", "fallocate", *OPENING, "link", "linkat", "mkdir", "mkdirat")
TEARABLE = ("write", "pwrite64")
BY_CHANCE = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}|(?<=\.tmp-)[^/]+|(?<=-)[0-9a-f]{8}(?=/|$)")
PATH_BYTES_MAX = 4096
DEATH = object()

# linux/seccomp.h, linux/prctl.h, linux/filter.h
NR_SECCOMP, SET_MODE_FILTER, NEW_LISTENER, WAIT_KILLABLE_RECV = 317, 1, 1 << 3, 1 << 5
NOTIF_RECV, NOTIF_SEND, FLAG_CONTINUE = 0xC0502100, 0xC0182101, 1
NOTIF, RESPONSE = struct.Struct("<QIIiIQ6Q"), struct.Struct("<QqiI")
RET_USER_NOTIF, RET_ALLOW, ARCH_X86_64 = 0x7FC00000, 0x7FFF0000, 0xC000003E
LOAD, EQUALS, HAS_ANY, RETURN = 0x20, 0x15, 0x45, 0x06
AT_NR, AT_ARCH, AT_ARGUMENTS = 0, 4, 16
SET_NO_NEW_PRIVS, SET_PTRACER, AT_FDCWD = 38, 0x59616D61, -100
C = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Point:
    """A call below the folder: the `nth` of this call at this path, from 1."""

    call: str
    path: str
    nth: int

    def __str__(self):
        return f"{self.call} {self.path} #{self.nth}"

    @classmethod
    def parsed(cls, text):
        call, path, nth = text.split(" ")
        return cls(call, path, int(nth.removeprefix("#")))


def tracer(below, log, at=None, do=None, also=(), armed=None):
    """The words that a command is run under; `also` are names and folders."""
    words = [sys.executable, __file__, "--below", below, "--log", log, *(["--armed", armed] if armed else [])]
    words += [word for name, folder in also for word in ("--also", f"{name}={folder}")]
    return [*words, *(["--at", at, "--do", do] if at else []), "--"]


def logged(log):
    """The points of a log, and the one that was met, if any."""
    lines = Path(log).read_text().splitlines() if Path(log).exists() else []
    met = [Point.parsed(line[1:]) for line in lines if line.startswith("!")]
    return [Point.parsed(line.removeprefix("!")) for line in lines], met[0] if met else None


def why_not():
    """Why this system cannot do it; `None` where it can."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        return "calls can be failed on Linux on x86_64 alone: their numbers are known there"
    # a call whose path stands in the program's memory
    done = subprocess.run([*tracer("/", "/dev/null"), "mkdir", "-p", "/"], capture_output=True, text=True)
    return f"calls cannot be failed here: {done.stderr.strip().splitlines()[-1]}" if done.returncode else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--below", type=Path, required=True, help="the folder whose files' calls count")
    parser.add_argument("--also", metavar="NAME=DIR", action="append", default=[], help="one more, under this name there")
    parser.add_argument("--armed", metavar="FILE", help="nothing counts before it is there [default: everything counts]")
    parser.add_argument("--log", required=True, help="where the calls are written down, behind what is there")
    parser.add_argument("--at", metavar="POINT", help="the call that is met")
    parser.add_argument("--do", choices=KINDS, help="what is done to it")
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    ours, theirs = socket.socketpair()
    process = os.getpid()
    if os.fork() == 0:
        # of no terminal, and nobody's child that the command could wait for
        os.setsid()
        if os.fork() == 0:
            theirs.close()
            listener = socket.recv_fds(ours, 1, 1)[1]
            if listener:
                Supervisor(listener[0], process, arguments).serve()
        os._exit(0)
    ours.close()
    os.wait()
    # where Yama says that only parents may look into a process; elsewhere this fails, and is not needed
    C.prctl(SET_PTRACER, ctypes.c_ulong(-1), 0, 0, 0)
    listener = filtered()
    socket.send_fds(theirs, [b"!"], [listener])
    os.execvp(arguments.command[0], arguments.command)


def filtered():
    """Has the kernel ask before each of the calls, here and in what this process becomes. Returns whom it asks."""

    def ask_if(number, flags_at):
        if flags_at is None:
            return [(EQUALS, 0, 1, number), (RETURN, 0, 0, RET_USER_NOTIF)]
        load = (LOAD, 0, 0, AT_ARGUMENTS + 8 * flags_at)
        ask = [(HAS_ANY, 0, 1, MAKES_OR_EMPTIES), (RETURN, 0, 0, RET_USER_NOTIF), (RETURN, 0, 0, RET_ALLOW)]
        return [(EQUALS, 0, 4, number), load, *ask]

    steps = [(LOAD, 0, 0, AT_ARCH), (EQUALS, 1, 0, ARCH_X86_64), (RETURN, 0, 0, RET_ALLOW), (LOAD, 0, 0, AT_NR)]
    for call, (number, _, _) in CALLS.items():
        steps += ask_if(number, OPENING.get(call))
    steps.append((RETURN, 0, 0, RET_ALLOW))
    code = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *step) for step in steps))
    program = ctypes.create_string_buffer(struct.pack("<H6xQ", len(steps), ctypes.addressof(code)))
    C.prctl(SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    listener = C.syscall(NR_SECCOMP, SET_MODE_FILTER, NEW_LISTENER | WAIT_KILLABLE_RECV, program)
    if listener < 0:
        number = ctypes.get_errno()
        sys.exit(f"seccomp's user notification, as of Linux 5.19: {os.strerror(number)}")
    return listener


class Supervisor:
    """Answers the kernel until the last process under the filter has ended."""

    def __init__(self, listener, process, arguments):
        self.listener, self.process, self.do = listener, process, arguments.do
        also = (text.partition("=")[::2] for text in arguments.also)
        self.folders = [(name, os.path.realpath(folder)) for name, folder in (("", arguments.below), *also)]
        self.unarmed = arguments.armed
        self.at, self.counts, self.calls, self.met = arguments.at, Counter(), 0, False
        self.log = os.open(arguments.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.names = {number: call for call, (number, _, _) in CALLS.items()}

    def serve(self):
        waiting = select.poll()
        waiting.register(self.listener, select.POLLIN)
        while not waiting.poll()[0][1] & select.POLLHUP:
            asked = bytearray(NOTIF.size)
            try:
                fcntl.ioctl(self.listener, NOTIF_RECV, asked)
                number, thread, _, nr, _, _, *arguments = NOTIF.unpack(asked)
                failure = self.judged(self.names[nr], thread, arguments)
                if failure is DEATH:
                    # an answer would let the call be made before the signal is seen
                    os.kill(self.process, signal.SIGKILL)
                    waiting.modify(self.listener, 0)
                    continue
                flags = 0 if failure else FLAG_CONTINUE
                fcntl.ioctl(self.listener, NOTIF_SEND, bytearray(RESPONSE.pack(number, 0, -failure, flags)))
            except OSError as error:
                # the thread that asked was killed meanwhile
                if error.errno not in (errno.ENOENT, errno.ESRCH, errno.EINTR, errno.EIO):
                    raise

    def judged(self, call, thread, arguments):
        """The error that the call fails with, or `DEATH`; 0 where it is made."""
        path = self.named(self.place(call, thread, arguments))
        if path is None or not self.is_armed():
            return 0
        path = BY_CHANCE.sub("*", path).replace(" ", "*")
        self.calls += 1
        self.counts[call, path] += 1
        point = Point(call, path, self.counts[call, path])
        met = not self.met and self.at in (str(point), str(self.calls))
        self.met |= met
        os.write(self.log, f"{'!' if met else ''}{point}\n".encode())
        if met and self.do in ("kill", "tear"):
            if self.do == "tear":
                tear(call, thread, arguments)
            return DEATH
        if self.met and self.do == "enospc" and call in TAKE_ROOM:
            return errno.ENOSPC
        return errno.EIO if met and self.do == "eio" else 0

    def is_armed(self):
        if self.unarmed and os.path.exists(self.unarmed):
            self.unarmed = None
        return not self.unarmed

    def named(self, path):
        """A path as it is told: relative to the folder; `None` of one that is elsewhere."""
        for name, folder in self.folders:
            if path == folder or path.startswith(f"{folder}/"):
                return os.path.normpath(os.path.join(name, os.path.relpath(path, folder)))
        return None

    def place(self, call, thread, arguments):
        """The path where a call works, links and all."""
        _, kind, at = CALLS[call]
        if kind == "fd":
            return os.readlink(f"/proc/{thread}/fd/{arguments[at]}")
        folder = ctypes.c_int(arguments[at]).value if kind == "at" else AT_FDCWD
        folder = os.readlink(f"/proc/{thread}/cwd" if folder == AT_FDCWD else f"/proc/{thread}/fd/{folder}")
        text = memory(thread, arguments[at + (kind == "at")], PATH_BYTES_MAX).split(b"\0")[0].decode(errors="replace")
        # the last part may be a link that is replaced; the folders before it are where they are
        parent, name = os.path.split(os.path.join(folder, text.rstrip("/")))
        return os.path.join(os.path.realpath(parent), name)


def memory(thread, address, size):
    """Bytes of the other process, as many as there are up to the end of what it has."""
    handle = os.open(f"/proc/{thread}/mem", os.O_RDONLY)
    try:
        return os.pread(handle, size, address)
    finally:
        os.close(handle)


def tear(call, thread, arguments):
    """Writes the first half of what a call would have written."""
    number, address, size = arguments[:3]
    position = arguments[3] if call == "pwrite64" else position_of(thread, number)
    handle = os.open(f"/proc/{thread}/fd/{number}", os.O_WRONLY)
    try:
        os.pwrite(handle, memory(thread, address, size // 2), position)
    finally:
        os.close(handle)


def position_of(thread, number):
    text = Path(f"/proc/{thread}/fdinfo/{number}").read_text()
    return int(re.search(r"pos:\s*(\d+)", text)[1])


if __name__ == "__main__":
    main()
