"""A measurement's result: what the sides do, a table that fits 80 columns, and whether the aim is met."""

import statistics
import textwrap

WIDTH = 80


class Times:
    """The rounds of one side, in seconds."""

    def __init__(self, seconds):
        self.seconds = list(seconds)

    @property
    def median(self):
        return statistics.median(self.seconds)

    def cells(self):
        return [duration(self.median), f"{duration(min(self.seconds))} – {duration(max(self.seconds))}"]


class Section:
    """Everything that one measurement says."""

    def __init__(self, name, title):
        self.name, self.title, self.seconds = name, title, 0.0
        self.blocks, self.data, self.aims = [], {}, []

    def say(self, text):
        """A paragraph: what is measured, and how."""
        self.blocks.append(textwrap.fill(text, WIDTH))

    def sides(self, described):
        """What each side does exactly."""
        width = max(map(len, described)) + 2
        lines = (
            textwrap.fill(text, WIDTH, initial_indent=f"{name:<{width}}", subsequent_indent=" " * width)
            for name, text in described.items()
        )
        self.blocks.append("\n".join(lines))

    def table(self, heads, rows):
        """Rows of text below heads; the first column is left-aligned, the others right."""
        lines = [heads, *rows]
        widths = [max(len(str(line[column])) for line in lines) for column in range(len(heads))]
        rendered = []
        for line in lines:
            first, *rest = (str(cell) for cell in line)
            cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(rest, widths[1:]))]
            rendered.append("  ".join(cells).rstrip())
        rendered.insert(1, "-" * max(map(len, rendered)))
        self.blocks.append("\n".join(rendered))

    def times(self, times, base, extra=None, what="seconds"):
        """One row a side: median, range, and the ratio to the median of `base`. `extra` adds columns: head to function.
        `what` names the comparison among the figures."""
        extra = extra or {}
        rows = [
            [side, *of.cells(), *(column(of) for column in extra.values()), ratio(of.median / times[base].median)]
            for side, of in times.items()
        ]
        self.table(["side", "median", "min – max", *extra, f"÷ {base}"], rows)
        self.data[what] = {side: of.seconds for side, of in times.items()}

    def aim(self, text, met, found):
        """An aim of the project, and whether this run meets it."""
        self.aims.append({"aim": text, "met": bool(met), "found": found})

    def text(self):
        head = f"== {self.name}: {self.title} ({self.seconds:.0f} s)"
        aims = [
            textwrap.fill(f"aim {'met' if one['met'] else 'MISSED'}: {one['aim']}; found {one['found']}", WIDTH)
            for one in self.aims
        ]
        return "\n\n".join([head, *self.blocks, *aims])

    def figures(self):
        return {"name": self.name, "title": self.title, "data": self.data, "aims": self.aims}


def duration(seconds):
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def ratio(value):
    return f"{value:.2f}"


def size(count):
    """Bytes, in a unit that leaves few digits."""
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if abs(count) >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count} B"
