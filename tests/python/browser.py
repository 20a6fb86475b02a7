"""Headless Chromium, driven through its DevTools protocol over a pipe: no driver, no port, no package."""

import base64
import fcntl
import json
import os
import re
import select
import shutil
import subprocess
import sys
import time

PROGRAMS = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
RELEASE_MIN = 137  # the first with Ed25519 in WebCrypto
ANSWER_SECONDS_MAX = 60
PLUMB = (
    "from os import *; from sys import argv; dup2(int(argv[1]), 3), dup2(int(argv[2]), 4), execvp(argv[3], argv[3:])"
)
FLAGS = ["--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--remote-debugging-pipe"]
# a name that is not this machine to the browser, and still is
FLAGS += ["--host-resolver-rules=MAP elsewhere.example 127.0.0.1"]


def missing_browser():
    """Why no browser can be used here; none if one can."""
    program = next(filter(shutil.which, PROGRAMS), None)
    if not program:
        return "chromium is not installed"
    said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=ANSWER_SECONDS_MAX).stdout
    release = re.search(r"(\d+)\.\d", said)
    if not release or int(release[1]) < RELEASE_MIN:
        return f"{program} is older than release {RELEASE_MIN}, the first with Ed25519: {said.strip()}"
    return None


class Browser:
    """A browser process with a profile of its own. Methods that ask it something raise when it does not answer."""

    def __init__(self, profile):
        program = next(filter(shutil.which, PROGRAMS))
        ours, theirs = os.pipe(), os.pipe()
        # the browser reads from descriptor 3 and writes to 4; numbers from 10 keep the two moves apart
        reads, writes = (fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in (ours[0], theirs[1]))
        command = [sys.executable, "-c", PLUMB, str(reads), str(writes), program, *FLAGS]
        command += [f"--user-data-dir={profile}", *(["--no-sandbox"] if os.geteuid() == 0 else []), "about:blank"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(command, pass_fds=(reads, writes), **quiet)
        for fd in (ours[0], theirs[1], reads, writes):
            os.close(fd)
        self.input, self.output = ours[1], theirs[0]
        self.received, self.events, self.asked = b"", [], 0

    def ask(self, method, session=None, **parameters):
        self.asked += 1
        message = {"id": self.asked, "method": method, "params": parameters} | (
            {"sessionId": session} if session else {}
        )
        raw = json.dumps(message).encode() + b"\0"
        while raw:
            raw = raw[os.write(self.input, raw) :]
        answer = self.until(lambda message: message.get("id") == self.asked)
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]

    def until(self, wanted):
        """The next message that is wanted; events before it are kept."""
        deadline = time.monotonic() + ANSWER_SECONDS_MAX
        while True:
            raw, end, rest = self.received.partition(b"\0")
            if end:
                self.received, message = rest, json.loads(raw)
                if "method" in message:
                    self.events.append(message)
                if wanted(message):
                    return message
                continue
            ready, _, _ = select.select([self.output], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"the browser did not answer within {ANSWER_SECONDS_MAX} s"
            more = os.read(self.output, 1 << 20)
            assert more, f"the browser ended with {self.process.wait()}"
            self.received += more

    def open(self, url, **screen):
        return Page(self, url, **screen)

    def close(self):
        self.ask("Browser.close")
        self.process.wait(ANSWER_SECONDS_MAX)


class Page:
    """A tab that shows a URL, completely loaded."""

    def __init__(self, browser, url, width=900, height=900, dark=False):
        self.browser = browser
        self.target = browser.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = browser.ask("Target.attachToTarget", targetId=self.target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log", "DOM"):
            self.ask(f"{domain}.enable")
        media = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.ask("Emulation.setEmulatedMedia", features=media)
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.ask("Emulation.setDeviceMetricsOverride", **screen)
        self.ask("Page.navigate", url=url)
        browser.until(lambda message: message.get("method") == "Page.loadEventFired" and self.mine(message))

    def ask(self, method, **parameters):
        return self.browser.ask(method, self.session, **parameters)

    def mine(self, event):
        return event.get("sessionId") == self.session

    def evaluate(self, expression):
        """The value of a JavaScript expression, awaited if it is a promise."""
        answer = self.ask("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def call(self, function, *arguments):
        """The value of a JavaScript function of these arguments, awaited."""
        return self.evaluate(f"({function})({', '.join(map(json.dumps, arguments))})")

    def choose(self, selector, *files):
        """Chooses files in a file input, as a person would."""
        root = self.ask("DOM.getDocument")["root"]["nodeId"]
        node = self.ask("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.ask("DOM.setFileInputFiles", nodeId=node, files=[str(file) for file in files])

    def drop(self, *files):
        """Drops files or folders onto the middle of the page."""
        data = {"items": [], "files": [str(file) for file in files], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.ask("Input.dispatchDragEvent", type=kind, x=200, y=200, data=data)

    def press(self, key, code, **more):
        for kind in ("keyDown", "keyUp"):
            self.ask("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **more)

    def screenshot(self, path):
        """The whole page as a PNG."""
        shot = self.ask("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def requested(self):
        """The URLs that were asked for since the page was opened, but for about:blank."""
        sent = [event["params"]["request"]["url"] for event in self.seen("Network.requestWillBeSent")]
        return [url for url in sent if url != "about:blank"]

    def complaints(self):
        """What the console was told: errors, warnings, violations of the page's own policy."""
        logged = [event["params"]["entry"]["text"] for event in self.seen("Log.entryAdded")]
        thrown = [event["params"]["exceptionDetails"]["text"] for event in self.seen("Runtime.exceptionThrown")]
        said = [str(event["params"]["args"]) for event in self.seen("Runtime.consoleAPICalled")]
        return logged + thrown + said

    def seen(self, method):
        return [event for event in self.browser.events if self.mine(event) and event["method"] == method]

    def close(self):
        self.browser.ask("Target.closeTarget", targetId=self.target)
