"""A picture of several studies side by side."""

from __future__ import annotations

from pathlib import Path

from benchmarks.measure import import_pyplot

COLUMNS = 3


def plot_studies(studies: dict[str, dict], of_what: str, path: Path) -> None:
    """Draw the mean and the standard deviation of each case.

    Args:
        studies: by title, each study's cases by name: a dict with `mean` and `std`, shares of 1.
        of_what: what stands on the vertical axis, in per cent; all studies have the same.
        path: of the PNG.
    """
    pyplot = import_pyplot()
    rows = -(-len(studies) // COLUMNS)
    figure, grid = pyplot.subplots(
        rows, min(COLUMNS, len(studies)), figsize=(9, 2.7 * rows), sharey=True, squeeze=False, layout='constrained'
    )
    for axes in grid.flat[len(studies) :]:
        axes.set_visible(False)
    for axes, (title, cases) in zip(grid.flat, studies.items()):
        means = [100 * case['mean'] for case in cases.values()]
        spreads = [100 * (case['std'] or 0) for case in cases.values()]
        axes.errorbar(range(len(cases)), means, spreads, color='#0b5cad', marker='o', linestyle='none', capsize=3)
        axes.set_xticks(range(len(cases)), list(cases), rotation=25 if max(map(len, cases)) > 6 else 0)
        axes.set_xlim(-0.5, len(cases) - 0.5)
        axes.set_title(title, fontsize=10)
        axes.grid(alpha=0.3)
        axes.spines[['top', 'right']].set_visible(False)
    for axes in grid[:, 0]:
        axes.set_ylabel(of_what)
    figure.savefig(path, dpi=110)
