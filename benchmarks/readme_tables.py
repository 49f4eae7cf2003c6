"""Write the README's tables from benchmarks/results/*.json, between its `<!-- table: NAME -->` marks."""
from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.measure import RESULTS, ROOT


def demo_accuracy(result: dict) -> str:
    rows = ['| IoU, % | ' + ' | '.join(result['presets']) + ' |', '|---' * (1 + len(result['presets'])) + '|']
    presets = list(result['presets'].values())
    for name in presets[0]['iou']:
        rows.append(f'| {name} | ' + ' | '.join(f'{100 * preset["iou"][name]:.1f}' for preset in presets) + ' |')
    rows.append('| **mIoU** | ' + ' | '.join(f'**{100 * preset["mean_iou"]:.1f}** ± {100 * preset["std"]:.1f}'
                                             for preset in presets) + ' |')
    return '\n'.join(rows)


def demo_memory(result: dict) -> str:
    rows = ['| seeds | peak memory | time |', '|---|---|---|']
    rows += [f'| {run["seeds"]} | {run["peak_mib"]:.0f} MiB | {run["seconds"]:.0f} s |' for run in result['runs']]
    return '\n'.join(rows)


TABLES = {'demo_accuracy': demo_accuracy, 'demo_memory': demo_memory}


def main():
    readme = ROOT / 'README.md'
    text = readme.read_text()
    for name, table in TABLES.items():
        before, mark, rest = text.partition(f'<!-- table: {name} -->\n')
        _, end, after = rest.partition('<!-- end -->')
        if not end:
            raise SystemExit(f'README.md lacks the marks "<!-- table: {name} -->" and "<!-- end -->" around the table')
        text = before + mark + table(json.loads((RESULTS / f'{name}.json').read_text())) + '\n' + end + after
    readme.write_text(text)


if __name__ == '__main__':
    main()
