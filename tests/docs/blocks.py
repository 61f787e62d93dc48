"""The documentation as data: its pages and their fenced blocks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *(
        ROOT / folder / "README.md"
        for folder in ("benchmarks", "cassettes", "examples/bell", "examples/parity", "schemas")
    ),
)

_FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block.

    Attributes:
        page: Path of its page, from the root.
        line: Line of its first line of content, from 1.
        info: What stands behind the opening fence.
        body: Its content.
    """

    page: str
    line: int
    info: str
    body: str

    @property
    def name(self) -> str:
        """Where it stands, for test ids."""
        return f"{self.page}:{self.line}"


def text(page: str) -> str:
    """Content of a page, by its path from the root."""
    return (ROOT / page).read_text(encoding="utf-8")


def without_blocks(page: Path) -> str:
    """Content of a page without its fenced blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def blocks(*infos: str) -> list[Block]:
    """All blocks with one of these words behind the opening fence, page by page."""
    return [block for page in PAGES for block in _of(page) if block.info.strip() in infos]


def cells(page: str, column: int = 0) -> set[str]:
    """Every code span in one column of the tables of a page."""
    rows = [line for line in text(page).splitlines() if line.startswith("|")]
    return {span for row in rows for span in re.findall(r"`([^`]+)`", row.split("|")[column + 1])}


def _of(page: Path) -> list[Block]:
    content = page.read_text(encoding="utf-8")
    path = page.relative_to(ROOT).as_posix()
    return [
        Block(path, content.count("\n", 0, found.start("body")) + 1, found["info"], found["body"])
        for found in _FENCE.finditer(content)
    ]
