"""Every number that a report shows, read off its HTML by a slow and obvious parser."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser

NUMBER = re.compile(r"(?<![\w.,])[+−-]?\d+(?:,\d{3})*(?:\.\d+)?(?:×10[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)?(?![\w])")


def numbers(text: str) -> list[str]:
    """The numbers in a text, as they are written.

    >>> numbers("−0.0123 (95% interval 1,234 to 4.20×10⁻⁷, sha 3f2a, GRE2)")
    ['−0.0123', '95', '1,234', '4.20×10⁻⁷']
    """
    return NUMBER.findall(text)


class Reported(HTMLParser):
    """The numbers of a page: by row of its tables, in its sentences, and in what stands for its figures."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[tuple[str, ...]] = []
        self.sentences: list[str] = []
        self.figures: list[str] = []
        self._row: list[str] | None = None
        self._skipped = False
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        if tag == "tr":
            self._row = []
        self._skipped = tag in ("style", "title")
        if tag == "img":
            self.figures += numbers(dict(attributes)["alt"])

    def handle_endtag(self, tag):
        if tag == "tr" and self._row is not None:
            self.rows += [tuple(self._row)] if self._row else []
            self._row = None
        self._skipped = False

    def handle_data(self, data):
        if self._skipped:
            return
        (self.sentences if self._row is None else self._row).extend(numbers(data))

    def counted(self) -> dict[str, list[list[object]]]:
        """For each part, what it holds and how often, in a fixed order, as JSON keeps it."""
        parts = {"rows": [" | ".join(row) for row in self.rows], "sentences": self.sentences}
        parts["figures"] = self.figures
        return {name: [list(pair) for pair in sorted(Counter(held).items())] for name, held in parts.items()}
