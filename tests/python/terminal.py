"""A program on a pseudo terminal, driven as a person would: by what is on the screen."""

import errno
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time

COLUMNS, LINES = 80, 24
SCREEN_SECONDS_MAX = 90

# Control sequences, and the characters that people type with Ctrl.
SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07]*\x07|[@-Z\\-_=>])")
CTRL_C, CTRL_D, UP = "\x03", "\x04", "\x1b[A"


class Terminal:
    """A running program; `raw` is everything it has sent to the terminal so far."""

    def __init__(self, *command, environment=None, folder=None):
        self.raw, self.seen, self.status = "", 0, None
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            try:
                if folder:
                    os.chdir(folder)
                words = [str(word) for word in command]
                os.execvpe(words[0], words, os.environ | {"TERM": "xterm"} | (environment or {}))
            finally:
                os._exit(127)
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))

    def type(self, text):
        os.write(self.terminal, text.encode())

    def wait_for(self, pattern):
        """Waits until the pattern is on the screen, after what was waited for before; what came up to its end."""
        deadline = time.monotonic() + SCREEN_SECONDS_MAX
        while True:
            shown = plain(self.raw[self.seen :])
            match = re.search(pattern, shown)
            if match:
                self.seen = len(self.raw)
                return shown
            assert self.read(deadline), f"no {pattern!r} on the screen:\n{plain(self.raw)}"

    def wait_for_cooked_mode(self):
        """Waits until Ctrl-C is a signal again: while a line is edited it is a character."""
        deadline = time.monotonic() + SCREEN_SECONDS_MAX
        while not termios.tcgetattr(self.terminal)[3] & termios.ISIG:
            assert time.monotonic() < deadline, "the program still edits a line"
            time.sleep(0.01)

    def end(self):
        """Waits until the program ends by itself; its exit status."""
        deadline = time.monotonic() + SCREEN_SECONDS_MAX
        while self.read(deadline):
            pass
        _, status = os.waitpid(self.pid, 0)
        self.status = os.waitstatus_to_exitcode(status)
        os.close(self.terminal)
        return self.status

    def read(self, deadline):
        """Reads what comes next; false when the program has ended."""
        ready, _, _ = select.select([self.terminal], [], [], max(0, deadline - time.monotonic()))
        if not ready:
            os.kill(self.pid, signal.SIGKILL)
            raise AssertionError(f"nothing more within {SCREEN_SECONDS_MAX} s:\n{plain(self.raw)}")
        try:
            read = os.read(self.terminal, 65536)
        except OSError as error:  # how Linux says that nobody has the other side open
            if error.errno != errno.EIO:
                raise
            read = b""
        self.raw += read.decode(errors="replace")
        return bool(read)

    def kill(self):
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            _, status = os.waitpid(self.pid, 0)
            self.status = os.waitstatus_to_exitcode(status)
            os.close(self.terminal)


def plain(raw):
    """Text without control sequences and carriage returns."""
    return SEQUENCE.sub("", raw).replace("\r", "")
