"""Write the tables of README and docs from benchmarks/results/*.json, between their `<!-- table: NAME -->` marks.

A table says of which commit it is where its result is not of the code that is here, or is a GPU's. One that another
interpreter or generator than the demo's of now has measured is not written.
"""

from __future__ import annotations

import re
import statistics
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

import click

from benchmarks import (
    ablation_interpreters,
    handsoff,
    in_domain,
    labelling,
    projection,
    real_and_generated,
    table1,
    table2,
)
from benchmarks.ablation_datasets import datasets_table
from benchmarks.marks import Marks
from benchmarks.measure import RESULTS, ROOT


def demo_accuracy(result: dict) -> str:
    rows = ['| IoU, % | ' + ' | '.join(result['presets']) + ' |', '|---' * (1 + len(result['presets'])) + '|']
    presets = list(result['presets'].values())
    for name in presets[0]['iou']:
        rows.append(f'| {name} | ' + ' | '.join(f'{100 * preset["iou"][name]:.1f}' for preset in presets) + ' |')
    rows.append(
        '| **mIoU** | '
        + ' | '.join(f'**{100 * preset["mean_iou"]:.1f}** ± {100 * preset["std"]:.1f}' for preset in presets)
        + ' |'
    )
    return '\n'.join(rows)


def demo_memory(result: dict) -> str:
    rows = ['| seeds | peak memory | time |', '|---|---|---|']
    rows += [f'| {run["seeds"]} | {run["peak_mib"]:.0f} MiB | {run["seconds"]:.0f} s |' for run in result['runs']]
    return '\n'.join(rows)


def demo_keypoints(result: dict) -> str:
    scores = result['scores']
    rows = ['| | ' + ' | '.join(scores) + ' |', '|---' * (1 + len(scores)) + '|']
    for title, figure in (
        ('mean error, px', lambda s: f'{s["mean_error_px"]:.2f}'),
        (
            'the same without the most uncertain tenth of the images',
            lambda s: f'{s["mean_error_px_of_the_certain"]:.2f}',
        ),
        ('PCK at 2 px of 64, %', lambda s: f'{100 * s["pck_at_2_of_64"]:.1f}'),
        ('PCK at 10 px of 512, %', lambda s: f'{100 * s["pck_at_10_of_512"]:.1f}'),
        ('PCK at a tenth of the object, %', lambda s: f'{100 * s["pck_at_a_tenth_of_the_object"]:.1f}'),
        ('present keypoints found', lambda s: f'{s["found"]} of {s["keypoints"]}'),
        ('absent keypoints called absent', lambda s: f'{s["absent_called_absent"]} of {s["absent"]}'),
        ('mIoU of the classes, %', lambda s: f'{100 * s["mean_iou"]:.1f}'),
    ):
        rows.append(f'| {title} | ' + ' | '.join(map(figure, scores.values())) + ' |')
    return '\n'.join(
        [
            *rows,
            '',
            f'Labelling with both heads takes {result["cost_ratio"]:.2f} times the time that it '
            'takes with the classes alone.',
        ]
    )


def image_score(result: dict) -> str:
    def correlation(row: dict) -> str:
        found = row['correlation']
        return '–' if found['mean'] is None else f'{found["mean"]:.2f} ± {found["std"]:.2f}'

    sets = {'more': 'images that chose', 'held out': 'held-out images'}
    rows = [
        '| score | '
        + ' | '.join(
            f'{title} ({result["images"][name]}): rank correlation | 5 % dropped | 10 % | 20 %'
            for name, title in sets.items()
        )
        + ' | cross-validation (16): rank correlation |',
        '|---' * 10 + '|',
    ]
    for title in result['sets']['more']:
        cells = []
        for name in sets:
            row = result['sets'][name][title]
            cells.append(correlation(row))
            cells += [f'{row[share]["mean"]:+.2f} ± {row[share]["std"]:.2f}' for share in ('0.05', '0.1', '0.2')]
        cells.append(correlation(result['sets']['cross-validation'][title]))
        name = f'**{title}**' if title == result['chosen'] else title
        rows.append(f'| {name} | {" | ".join(cells)} |')
    return '\n'.join(rows)


def inference(result: dict) -> str:
    rows = [
        '| image | members | classes | batch | bare generator | ours | plain | plain / ours | memory, ours / plain |',
        '|---' * 9 + '|',
    ]
    for case in result['cases']:
        bare, ours, plain = case['bare generator'], case['ours'], case['plain']
        measured = isinstance(plain, dict)
        cells = [
            f'{case["resolution"]}²',
            case['members'],
            case['classes'],
            case['batch'],
            f'{bare["seconds"]:.2f} s',
            f'{ours["seconds"]:.2f} s, {ours["peak_mib"]:.0f} MiB',
            f'{plain["seconds"]:.1f} s, {plain["peak_mib"]:.0f} MiB' if measured else plain,
            f'**{case["plain_to_ours"]:.1f}**' if measured else '',
            f'{case["peak_ours_to_plain"]:.2f}' if measured else '',
        ]
        rows.append(f'| {" | ".join(map(str, cells))} |')
    return '\n'.join(rows)


def _image_of(case: dict) -> str:
    """Size of a case's images, and which StyleGAN3 makes them, if it does."""
    return f'{case["resolution"]}²' + (f', StyleGAN3-{case["config"]}' if 'config' in case else '')


def gpu_inference(result: dict) -> str:
    rows = [
        '| image | members | classes | batch | preset | bare generator | ours | ours / bare | plain | plain / ours '
        '| memory, ours / plain |',
        '|---' * 11 + '|',
    ]
    for case in result['cases']:
        plain, cells = case.get('plain'), []
        if plain:
            cells = [
                f'{1000 * plain["seconds"]:.0f} ms, {plain["peak_mib"]:.0f} MiB',
                f'**{case["plain_to_ours"]:.1f}**',
                f'{case["peak_ours_to_plain"]:.2f}',
            ]
        bare, ours = (1000 * case[kind]['seconds'] for kind in ('bare generator', 'ours'))
        rows.append(
            f'| {_image_of(case)} | {case["members"]} | {case["classes"]} | {case["batch"]} '
            f'| {case.get("preset", "reference")} | {bare:.1f} ms | {ours:.1f} ms, {case["ours"]["peak_mib"]:.0f} MiB '
            f'| **{case["ours_to_bare"]:.2f}** | {" | ".join(cells or 3 * [""])} |'
        )
    return '\n'.join(rows)


def gpu_labels(result: dict) -> str:
    rows = ['| | float32 | half precision |', '|---' * 3 + '|']
    for title, figure in (
        ('pixels with the same class, %', lambda case: f'{100 * case["equal_pixels"]:.3f}'),
        ('the same in the worst image, %', lambda case: f'{100 * case["equal_pixels_of_the_worst_image"]:.3f}'),
        ('farthest move of a keypoint, px', lambda case: f'{case["greatest_move_px"]:.2f}'),
        ('greatest difference of a colour, levels', lambda case: case['greatest_difference_in_levels']),
    ):
        rows.append(f'| {title} | ' + ' | '.join(str(figure(case)) for case in result['cases'].values()) + ' |')
    return '\n'.join(rows)


def training(result: dict) -> str:
    return '\n'.join(
        [
            '| labelled images | members | pixels learned from | features | training | peak memory |',
            '|---' * 6 + '|',
            f'| {result["images"]} of {result["resolution"]}² | {result["members"]} | {result["pixels"]} '
            f'| {result["features_seconds"]:.0f} s | {result["training_seconds"]:.0f} s '
            f'| {result["peak_mib"]:.0f} MiB |',
        ]
    )


def writing(result: dict) -> str:
    best = {name: result['images'] / min(times) for name, times in result['seconds'].items()}
    more = 100 * (result['ratios']['files / no files'] - 1)
    return '\n'.join(
        [
            f'| {result["images"]} images of the demo | the generator alone | with labels | with labels and files |',
            '|---' * 4 + '|',
            f'| images a second | {best["images"]:.0f} | {best["labels"]:.1f} | {best["files"]:.1f} |',
            '',
            f'Writing the dataset, with its preview and report, takes {more:.0f} % of the time that labelling '
            'takes (median of the rounds).',
        ]
    )


def plain_dataset(result: dict) -> str:
    rows = [
        f'| {result["images"]} images of the demo | time | of all cores | peak memory | images and masks | all files |',
        '|---' * 6 + '|',
    ]
    rows += [
        f'| {name} | {row["seconds"]:.0f} s | {row["core_seconds"]:.0f} s | {row["peak_mib"]:.0f} MiB '
        f'| {row["bytes_of_images_and_masks"] / 2**20:.1f} MiB | {row["bytes"] / 2**20:.1f} MiB, {row["files"]} files |'
        for name, row in result['rows'].items()
    ]
    equal = result['equal']
    return '\n'.join(
        [
            *rows,
            '',
            f'{100 * equal["labels"]:.6g} % of the pixels have the same class in both, {100 * equal["worst"]:.6g} % in '
            f'the worst image;\n{100 * equal["images"]:.6g} % of the pixels of the images are the same.',
        ]
    )


def suggestion_time(result: dict) -> str:
    rows = ['| image | labels were saved | suggestion | slowest answer to the page meanwhile |', '|---' * 4 + '|']
    for side, runs in ((result['resolution'], result['runs']), (result['large_resolution'], result['large_runs'])):
        for case, run in (('just before', runs['at once']), ('20 s before', runs['after drawing'])):
            slowest = f'{1000 * run["slowest_answer"]:.0f} ms'
            rows.append(f'| {side}² | {case} | {run["seconds"]:.1f} s | {slowest} |')
        rows.append(f'| {side}² | with the stroke before | {statistics.median(runs["renewals"]):.1f} s (median) | |')
    return '\n'.join(rows)


def labeling(result: dict) -> str:
    orders = result['orders']
    rows = [
        '| labelled images | ' + ' | '.join(str(row['labelled']) for row in orders['random']) + ' |',
        '|---' * (1 + len(orders['random'])) + '|',
    ]
    for title, order, key, factor in (
        ('pixels to change after a suggestion', 'random', 'pixels', 1),
        ('pixels to draw from nothing', 'random', 'pixels_from_nothing', 1),
        ('keypoints to place or move after a suggestion', 'random', 'keypoints', 1),
        ('keypoints to place from nothing', 'random', 'keypoints_from_nothing', 1),
        *(
            (f'mIoU, %, {title}', order, 'mean_iou', 100)
            for order, title in (('diverse', "in the page's order"), ('uncertainty', 'uncertain and far apart first'))
            if order in orders
        ),
        ('mIoU, %, at random', 'random', 'mean_iou', 100),
    ):
        cells = [f'{factor * row[key]["mean"]:.1f} ± {factor * row[key]["std"]:.1f}' for row in orders[order]]
        rows.append(f'| {title} | {" | ".join(cells)} |')
    return '\n'.join(rows)


def preset_cost(result: dict) -> str:
    names = list(result['cases'][0]['seconds'])
    rows = [f'| seconds for an image | {" | ".join(names)} | default / bare |', '|---' * (2 + len(names)) + '|']
    for case in result['cases']:
        cells = [f'{case["seconds"][name]:.2f}' for name in names]
        rows.append(f'| {case["network"]} | {" | ".join(cells)} | **{case["ratios_to_bare"]["default"]:.2f}** |')
    return '\n'.join(rows)


def gpu_speed(result: dict) -> str:
    """With the default preset, and a batch of 8 or what the memory takes; plain is of the reference preset's shape."""
    rows = ['| image | batch | generator alone | with labels | plain |', '|---' * 5 + '|']
    cases = {
        (case['resolution'], case['batch'], case.get('preset')): case
        for case in result['cases'][::-1]
        if (case['members'], case['classes']) == (10, 8)
    }
    for resolution, batch in ((256, 8), (512, 8), (1024, 4)):
        ours, plain = cases[resolution, batch, 'default'], cases[resolution, batch, 'reference']
        rows.append(
            f'| {resolution}² | {batch} | {1000 * ours["bare generator"]["seconds"]:.1f} '
            f'| **{1000 * ours["ours"]["seconds"]:.1f}** | {1000 * plain["plain"]["seconds"]:.0f} |'
        )
    return '\n'.join(rows)


def selection(result: dict) -> str:
    """mIoU of the choice that sees labels, and how far from it the blind ones are."""
    rows: dict[tuple, dict[str, dict]] = {}
    for truncation, world in result['worlds'].items():
        for score in world['scores']:
            rows.setdefault((score['tasks'], score['labelled'], truncation), {})[score['order']] = score
    sighted, *blind = next(iter(rows.values()))
    lines = [
        f'| tasks | labelled | truncation | {sighted}, mIoU, % | {" | ".join(blind)} |',
        '|---' * (4 + len(blind)) + '|',
    ]
    for (tasks, labeled, truncation), orders in sorted(rows.items()):
        cells = [f'{100 * orders[name]["ahead"]:+.1f} ± {100 * orders[name]["std_of_mean"]:.1f}' for name in blind]
        lines.append(
            f'| {tasks} | {labeled} | {truncation} | {100 * orders[sighted]["mean_iou"]:.1f} | {" | ".join(cells)} |'
        )
    return '\n'.join(lines)


def interpreter_trials(result: dict) -> str:
    """mIoU on both sets that choose; strength and temperature are the best by cross-validation, their figures those on
    the other set."""

    def show(scores: list[float]) -> str:
        return f'{100 * statistics.mean(scores):.1f} ± {100 * statistics.stdev(scores):.1f}'

    def columns(figures: list[list[float]]) -> list[tuple[float, ...]]:
        return list(zip(*figures))

    lines = [
        '| | mIoU, %: cross-validation | `demo/more` | with `unbalance` | ECE, %, `demo/more` | with temperature |',
        '|---' * 6 + '|',
    ]
    strengths, temperatures = result['strengths'], result['temperatures']
    for way, sets in result['ways'].items():
        chosen, other = sets['cross-validation'], sets['more']
        ious, errors = columns(chosen['mean_iou']), columns(chosen['ece'])
        strength = max(range(len(strengths)), key=lambda index: statistics.mean(ious[index]))
        temperature = min(range(len(temperatures)), key=lambda index: statistics.mean(errors[index]))
        cells = (
            show(ious[strengths.index(0)]),
            show(columns(other['mean_iou'])[strengths.index(0)]),
            f'{strengths[strength]:g}: {show(columns(other["mean_iou"])[strength])}',
            show(columns(other['ece'])[temperatures.index(1)]),
            f'{temperatures[temperature]:g}: {show(columns(other["ece"])[temperature])}',
        )
        lines.append(f'| {way} | {" | ".join(cells)} |')
    return '\n'.join(lines)


def few_labels(result: dict) -> str:
    """mIoU by the number of labelled images; a number in brackets tells of fewer than three runs."""
    counts = sorted({row['labelled'] for rows in result['presets'].values() for row in rows})
    lines = [f'| mIoU, %, labelled images | {" | ".join(map(str, counts))} |', '|---' * (1 + len(counts)) + '|']
    for preset, rows in result['presets'].items():
        of_counts = {row['labelled']: row for row in rows}
        cells = []
        for count in counts:
            row = of_counts.get(count)
            if row is None:
                cells.append('')
                continue
            spread = '' if row['std'] is None else f' ± {100 * row["std"]:.1f}'
            cells.append(f'{100 * row["mean_iou"]:.1f}{spread}' + (f' ({row["runs"]})' if row['runs'] < 3 else ''))
        lines.append(f'| {preset} | {" | ".join(cells)} |')
    return '\n'.join(lines)


def rare_classes(result: dict) -> str:
    """Shares without and with steps, and how many times as much that is."""
    lines = [
        '| class | images looked at | images with it, % | of the kept | pixels, ‰ | times as many pixels '
        '| distance from drawings |',
        '|---' * 7 + '|',
    ]
    for name, row in result['classes'].items():
        plain, more = row['plain'], row['more']
        lines.append(
            f'| {name} | {row["scanned"]} '
            f'| {100 * plain["images"]:.1f} → {100 * more["images"]:.1f} '
            f'| {100 * plain["images_kept"]:.1f} → {100 * more["images_kept"]:.1f} '
            f'| {1000 * plain["pixels"]:.2f} → {1000 * more["pixels"]:.2f} '
            f'| **{more["pixels"] / plain["pixels"]:.1f}** | {row["sliced_wasserstein_1e3"]:.1f} |'
        )
    first, second = result['plain_sliced_wasserstein_1e3'].values()
    return '\n'.join([*lines, '', f'Plain images: {first:.1f} from drawings; others, of other seeds, {second:.1f}.'])


def methods(result: dict) -> str:
    rows = ['| method | mIoU on real test images, % |', '|---|---|']
    rows += [
        f'| {title} | {table1.show(row["mean_iou"], 1)} |'
        for title, row in result['rows'].items()
        if 'in-domain' not in title
    ]
    return '\n'.join(rows)


def strokes(result: dict) -> str:
    lines = [
        '| image | window | between frames, median | 95 % | from move to frame, median | 95 % | load |',
        '|---' * 7 + '|',
    ]
    for case in result['cases']:
        times = [case[key][share] for key in ('frame_ms', 'delay_ms') for share in ('median', '95 %')]
        window = ' × '.join(map(str, case['window']))
        cells = (f'{case["resolution"]}²', window, *(f'{time:.1f} ms' for time in times), f'{case["load_average"]:.0f}')
        lines.append(f'| {" | ".join(cells)} |')
    return '\n'.join(lines)


TABLES = {
    'ablation_datasets': datasets_table,
    'ablation_interpreters': ablation_interpreters.interpreters_table,
    'demo_accuracy': demo_accuracy,
    'demo_keypoints': demo_keypoints,
    'demo_memory': demo_memory,
    'doubtful_pixels': datasets_table,
    'few_labels': few_labels,
    'gpu_inference': gpu_inference,
    'gpu_labels': gpu_labels,
    'gpu_speed': gpu_speed,
    'gpu_stylegan3': gpu_inference,
    'handsoff': lambda classes, keypoints: handsoff.table({'classes': classes, 'keypoints': keypoints}),
    'image_score': image_score,
    'in_domain': in_domain.table,
    'inference': inference,
    'interpreter_trials': interpreter_trials,
    'labelling': labeling,
    'labelling_minutes': labelling.table,
    'methods': methods,
    'plain_dataset': plain_dataset,
    'preset_cost': preset_cost,
    'projection': projection.table,
    'real_and_generated': real_and_generated.table,
    'rare_classes': rare_classes,
    'selection': selection,
    'strokes': strokes,
    'suggestion_time': suggestion_time,
    'table1': table1.table,
    'table2': table2.table,
    'training': training,
    'writing': writing,
}
SOURCES = {
    'handsoff': ('handsoff_classes', 'handsoff_keypoints'),
    'labelling': ('suggestions',),
    'labelling_minutes': ('labelling',),
    'methods': ('table1',),
    'gpu_speed': ('gpu_inference',),
}
MEASURED = 'measured'
"""The table of all results."""
PAGES = ('README.md', 'docs/benchmarks.md', 'docs/paper.md')
MARKED = re.compile(r'(<!-- table: (\w+) -->\n).*?(<!-- end -->)', flags=re.DOTALL)


def main():
    texts = {page: (ROOT / page).read_text() for page in PAGES}
    lacking = {*TABLES, MEASURED} - {mark[2] for text in texts.values() for mark in MARKED.finditer(text)}
    if lacking:
        raise SystemExit(
            f'{" and ".join(PAGES)} lack the marks "<!-- table: NAME -->" and "<!-- end -->" of '
            f'{", ".join(sorted(lacking))}'
        )
    marks, refused = Marks(RESULTS), {}

    def filled(mark: re.Match) -> str:
        """A table and its marks; the result has the table's name unless `SOURCES` has others."""
        if mark[2] == MEASURED:
            return f'{mark[1]}{marks.table()}\n{mark[3]}'
        names = SOURCES.get(mark[2], (mark[2],))
        if why := {name: reason for name in names if (reason := marks.why_refused(name))}:
            refused.update(why)
            return mark[0]
        table = ''
        if all(name in marks.results for name in names):
            table = TABLES[mark[2]](*(marks.results[name] for name in names))
        notes = dict.fromkeys(map(marks.note, names))
        return mark[1] + '\n\n'.join(filter(None, [table, *notes])) + f'\n{mark[3]}'

    for page, text in texts.items():
        (ROOT / page).write_text(MARKED.sub(filled, text))
    if refused:
        raise SystemExit('Tables left as they were:\n' + '\n'.join(refused.values()))


if __name__ == '__main__':
    click.command(help=__doc__)(main)()
