"""What was measured, and the ratios made of it. Every ratio is taken within a round, where the contenders ran
one after the other, and the median over the rounds is shown."""

import statistics
from collections import defaultdict

from model import PROXY, RAW


class Results:
    def __init__(self):
        # (row, load, size, contender) -> one dictionary of figures per round; None where it failed
        self.runs = defaultdict(list)
        self.failures = []

    def add(self, row, load, size, contender, figures):
        self.runs[row, load, size, contender].append(figures)

    def fail(self, row, load, size, contender, reason):
        self.add(row, load, size, contender, None)
        self.failures.append(f"{row}, {load}, {size} B, {contender}: {reason}")

    def values(self, row, load, size, contender, figure):
        return [run.get(figure) if run else None for run in self.runs.get((row, load, size, contender), [])]

    def median(self, row, load, size, contender, figure):
        values = [value for value in self.values(row, load, size, contender, figure) if value is not None]
        return statistics.median(values) if values else None

    def paired(self, row, load, size, one, other, figure, combine):
        """combine(one's, other's) of every round in which both were measured."""
        pairs = zip(self.values(row, load, size, one, figure), self.values(row, load, size, other, figure))
        return [combine(a, b) for a, b in pairs if a is not None and b is not None]

    def ratios(self, row, load, size, one, other, figure):
        return self.paired(row, load, size, one, other, figure, lambda a, b: a / b)

    def ratio(self, row, load, size, one, other, figure="per_second"):
        found = self.ratios(row, load, size, one, other, figure)
        return statistics.median(found) if found else None

    def difference(self, row, load, size, one, other, figure, divisor=1):
        found = self.paired(row, load, size, one, other, figure, lambda a, b: (a - b) / divisor)
        return statistics.median(found) if found else None

    def added_latency(self, contender, size):
        """Median over the rounds of p50 through the contender less p50 without anything between."""
        return self.difference("hop", "latency", size, contender, RAW, "p50_us")

    def added_ratio(self, contender, size):
        own, proxy = self.added_latency(contender, size), self.added_latency(PROXY, size)
        return own / proxy if own is not None and proxy else None

    def json(self):
        return [{"row": row, "load": load, "size": size, "contender": contender,
                 "medians": self._medians(runs), "runs": runs}
                for (row, load, size, contender), runs in self.runs.items()]

    @staticmethod
    def _medians(runs):
        whole = [run for run in runs if run]
        if not whole:
            return None
        return {name: statistics.median(run[name] for run in whole)
                for name, value in whole[0].items() if isinstance(value, (int, float))}
