"""A report of segmented patients: one HTML file that needs nothing else, with pictures and numbers."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from contrastive_seg.atomic import write_text
from contrastive_seg.patients.measure import CaseResult, look_first
from contrastive_seg.patients.structures import Structure

_STYLE = """
:root { color-scheme: light dark; --text: #1d2329; --soft: #5a646e; --back: #ffffff; --card: #f4f6f8;
  --line: #d5dbe1; --mark: #9a3412; --markback: #fff1e6; }
@media (prefers-color-scheme: dark) { :root { --text: #e6eaee; --soft: #a3adb7; --back: #15191d;
  --card: #1f252b; --line: #39424b; --mark: #fdba74; --markback: #3a2413; } }
@media print { :root { --back: #ffffff; --card: #ffffff; --text: #000000; } article { break-inside: avoid; } }
body { font: 15px/1.45 system-ui, "Segoe UI", Roboto, sans-serif; color: var(--text); background: var(--back);
  max-width: 62rem; margin: 0 auto; padding: 1.5rem; }
h1 { font-size: 1.5rem; margin: 0 0 .3rem; } h2 { font-size: 1.15rem; margin: 2rem 0 .6rem; }
h3 { font-size: 1rem; margin: 0 0 .5rem; overflow-wrap: anywhere; }
p { margin: .3rem 0; } .soft { color: var(--soft); } a { color: inherit; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .7rem .3rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; overflow-wrap: anywhere; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
article { background: var(--card); border: 1px solid var(--line); border-radius: 8px;
  padding: 1rem; margin: 1rem 0; }
.first { background: var(--markback); border-left: 4px solid var(--mark);
  padding: .5rem .8rem; margin: .5rem 0; }
.mark { color: var(--mark); font-weight: 600; }
.pictures { display: flex; flex-wrap: wrap; gap: .8rem; align-items: flex-start; margin: .6rem 0; }
figure { margin: 0; flex: 0 1 18rem; } figure img { max-width: 100%; display: block; border-radius: 4px; }
figcaption { color: var(--soft); font-size: .85rem; }
.swatch { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin-right: .4em; }
"""


@dataclass(frozen=True)
class Failure:
    """A volume that could not be segmented, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Report:
    """What a report tells.

    Attributes:
        results: The segmented volumes, in their order.
        structures: What the label values stand for.
        work: The folder with the pictures that the results name.
        failures: What could not be segmented.
        about: Settings and provenance, without names of patients.
        notes: What concerns all volumes.
        title: Heading.
    """

    results: Sequence[CaseResult]
    structures: Sequence[Structure]
    work: Path
    failures: Sequence[Failure] = ()
    about: dict[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()
    title: str = "Segmented volumes"

    def write(self, path: Path) -> Path:
        """Writes the file, all or nothing.

        Raises:
            ContrastiveSegError: ``disk-full`` or ``no-write-permission``.
        """
        write_text(path, self.html())
        return path

    def html(self) -> str:
        """The whole page. All text of others (names of files and structures, errors) is escaped."""
        names = {one.value: one.name for one in self.structures}
        first = look_first(self.results, names)
        parts = [
            "<!DOCTYPE html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{_e(self.title)}</title><style>{_STYLE}</style></head><body>",
            f"<header><h1>{_e(self.title)}</h1>{self._summary()}</header>",
            *(f'<div class="first">{_e(note)}</div>' for note in self.notes),
            self._first(first),
            self._table(first),
            self._failures(),
            "<h2>Case by case</h2>" if self.results else "",
            *(self._case(number, one, first.get(one.case, [])) for number, one in enumerate(self.results)),
            self._provenance(),
            "</body></html>",
        ]
        return "\n".join(part for part in parts if part) + "\n"

    def _summary(self) -> str:
        now = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
        listed = " ".join(f"<span>{_swatch(one)}{_e(one.name)}</span>" for one in self.structures)
        failed = f", {len(self.failures)} failed" if self.failures else ""
        return (
            f'<p class="soft">{_count(len(self.results), "volume")} segmented{failed}. Made {now} by '
            "ContrastiveSeg, a research tool and not a medical device: look at every result before use.</p>"
            f"<p>{listed}</p>"
        )

    def _first(self, first: dict[str, list[str]]) -> str:
        if not first:
            return ""
        by_case = {one.case: (number, one) for number, one in enumerate(self.results)}
        items = []
        for case, reasons in first.items():
            number, one = by_case[case]
            items.append(
                f'<div class="first"><a class="mark" href="#case-{number}">{_e(one.name)}</a>: '
                f"{_e(' '.join(reasons))}</div>"
            )
        return f'<section id="look-first"><h2>Look at these first</h2>{"".join(items)}</section>'

    def _table(self, first: dict[str, list[str]]) -> str:
        if not self.results:
            return ""
        heads = "".join(f'<th class="number">{_e(one.name)} (ml)</th>' for one in self.structures)
        rows = []
        for number, one in enumerate(self.results):
            cells = "".join(
                f'<td class="number">{_ml(one.volume_ml.get(str(s.value)))}</td>' for s in self.structures
            )
            mark = '<span class="mark">look first</span>' if one.case in first else ""
            rows.append(
                f'<tr><td><a href="#case-{number}">{_e(one.name)}</a></td>{cells}'
                f'<td class="number">{_percent(one.uncertainty)}</td><td>{mark}</td></tr>'
            )
        return (
            '<h2>All volumes</h2><div class="scroll"><table><thead><tr><th>Volume</th>'
            f'{heads}<th class="number">Uncertainty</th><th></th></tr></thead><tbody>{"".join(rows)}</tbody>'
            '</table></div><p class="soft">Uncertainty: mean over what was found or is in doubt; 0 % is '
            "sure, 100 % undecided. It says where to look, not how large the error is.</p>"
        )

    def _failures(self) -> str:
        if not self.failures:
            return ""
        rows = "".join(f"<tr><td>{_e(one.name)}</td><td>{_e(one.reason)}</td></tr>" for one in self.failures)
        return (
            '<section id="failed"><h2>Not segmented</h2><div class="scroll"><table><thead><tr><th>Volume</th>'
            f"<th>Why</th></tr></thead><tbody>{rows}</tbody></table></div></section>"
        )

    def _case(self, number: int, one: CaseResult, reasons: Sequence[str]) -> str:
        figures = "".join(
            f'<figure><img alt="{_e(one.name)}, {_e(caption)}" src="{self._picture(name)}">'
            f"<figcaption>{_e(caption)}</figcaption></figure>"
            for name, caption in one.pictures
            if (self.work / name).is_file()
        )
        sizes = "".join(
            f"<tr><td>{_swatch(s)}{_e(s.name)}</td>"
            f'<td class="number">{_ml(one.volume_ml.get(str(s.value)))} ml</td></tr>'
            for s in self.structures
        )
        grid = (
            f"{' x '.join(map(str, one.size))} voxels of {' x '.join(f'{s:.3g}' for s in one.spacing_mm)} mm"
        )
        told = "".join(f'<div class="first">{_e(reason)}</div>' for reason in (*reasons, *one.differences))
        told += "".join(f'<p class="soft">{_e(note)}</p>' for note in one.notes if note not in self.notes)
        if one.kept:
            told += '<p class="soft">The mask was there before and was kept: no uncertainty.</p>'
        return (
            f'<article id="case-{number}"><h3>{_e(one.name)}</h3>{told}<div class="pictures">{figures}</div>'
            f"<table>{sizes}<tr><td>Uncertainty</td>"
            f'<td class="number">{_percent(one.uncertainty)}</td></tr></table>'
            f'<p class="soft">{_e(grid)}</p></article>'
        )

    def _picture(self, name: str) -> str:
        data = base64.b64encode((self.work / name).read_bytes()).decode("ascii")
        return f"data:image/png;base64,{data}"

    def _provenance(self) -> str:
        rows = "".join(
            f"<tr><td>{_e(key.replace('_', ' '))}</td><td>{_e(_plain(value))}</td></tr>"
            for key, value in self.about.items()
            if value not in (None, {}, [], "")
        )
        if not rows:
            return ""
        return (
            '<section id="provenance"><h2>How it was made</h2><div class="scroll"><table><tbody>'
            f"{rows}</tbody></table></div></section>"
        )


def _e(text: object) -> str:
    return html.escape(str(text), quote=True)


def _swatch(one: Structure) -> str:
    red, green, blue = (round(255 * min(max(part, 0.0), 1.0)) for part in one.colour)
    return f'<span class="swatch" style="background: rgb({red}, {green}, {blue})"></span>'


def _count(number: int, word: str) -> str:
    return f"{number} {word}" + ("" if number == 1 else "s")


def _ml(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}" if value < 100 else f"{value:.1f}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} %"


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key.replace('_', ' ')}: {_plain(one)}" for key, one in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_plain(one) for one in value)
    return "–" if value is None else str(value)
