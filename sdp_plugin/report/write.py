"""Writing all forms of the report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sdp_plugin.files import write_text_atomically
from sdp_plugin.grid.store import read_grid
from sdp_plugin.report.build import build_report
from sdp_plugin.report.model import Report
from sdp_plugin.report.page import render_page
from sdp_plugin.report.text import to_csv, to_json, to_latex, to_markdown


def write_report(
    work_dir: str | Path, out: str | Path | None = None, metrics: Sequence[str] = ()
) -> tuple[Report, Path]:
    """Write ``index.html``, ``table.md``, ``table.tex``, ``results.csv`` and ``results.json``.

    Args:
        work_dir (str | Path): The work directory of a grid, complete or not.
        out (str | Path | None): Folder to write to; ``WORK_DIR/report`` if None.
        metrics (Sequence[str]): The main metric and further ones; see
            :func:`~sdp_plugin.report.build.build_report`.

    Returns:
        tuple[Report, Path]: The report as data, and the page.

    Raises:
        UserError: The directory holds no grid that can be reported of.
    """
    record = read_grid(work_dir)
    report = build_report(record, metrics)
    folder = Path(out) if out is not None else Path(work_dir) / 'report'
    texts = {
        'table.md': to_markdown(report),
        'table.tex': to_latex(report),
        'results.csv': to_csv(record),
        'results.json': to_json(report),
        'index.html': render_page(report),
    }
    for name, text in texts.items():
        write_text_atomically(folder / name, text)
    return report, folder / 'index.html'
