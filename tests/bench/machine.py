"""What a reader must know of the machine to judge the figures."""

import datetime
import importlib.metadata
import os
import platform
import subprocess

PACKAGES = ("deltalake", "datafusion", "duckdb", "pyarrow", "adbc-driver-flightsql")


def facts(folder):
    """Name and value of each fact, in the order in which they are printed."""
    return facts_of_machine(folder) | {
        "dab": subprocess.run([os.environ["DAB_BINARY"], "--version"], capture_output=True, text=True).stdout.strip(),
        "python": platform.python_version(),
        "packages": " ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES),
    }


def facts_of_machine(folder):
    """Those that do not depend on what is measured."""
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": f"{processor()}, {len(os.sched_getaffinity(0))} cores",
        "memory": f"{memory_gib():.0f} GiB",
        "file system": file_system(folder),
        "kernel": platform.release(),
        "load average": load(),
    }


def load():
    """Runnable processes over 1, 5 and 15 minutes: others at work make every figure worse."""
    return " ".join(f"{one:.1f}" for one in os.getloadavg())


def processor():
    with open("/proc/cpuinfo") as lines:
        return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown")


def memory_gib():
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30


def file_system(folder):
    """The type of the file system that holds a folder: on tmpfs an fsync costs nothing."""
    folder, best = os.path.realpath(folder), ("", "unknown")
    with open("/proc/self/mounts") as lines:
        for line in lines:
            point, kind = line.split()[1:3]
            inside = folder == point or folder.startswith(point.rstrip("/") + "/")
            if inside and len(point) >= len(best[0]):
                best = (point, kind)
    return best[1]
