"""The documentation site is built as `make docs` builds it, and its notebook runs."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import datasetgan_ext
from datasetgan_ext.cli import SCRIPTS

ROOT = Path(datasetgan_ext.__file__).parents[1]
NEEDED = ('mkdocs', 'material', 'mkdocstrings')


@pytest.mark.docs
@pytest.mark.slow
@pytest.mark.skipif(
    not all(map(importlib.util.find_spec, NEEDED)), reason="what builds the site is not there: pip install '.[docs]'"
)
def test_the_site_is_built_without_a_warning(tmp_path):
    done = subprocess.run(
        [sys.executable, '-m', 'mkdocs', 'build', '--strict', f'--site-dir={tmp_path}/site'],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    commands = (tmp_path / 'site' / 'commands.html').read_text()
    assert [f'id="datasetgan-{verb}"' in commands for verb in SCRIPTS] == [True] * len(SCRIPTS)
    assert 'Where to compute' in commands
    assert '<code>--network=PKL|URL|demo</code>' in (tmp_path / 'site' / 'options.html').read_text()
    api = (tmp_path / 'site' / 'api.html').read_text()
    for name in ('load_generator', 'Labeler', 'Interpreter', 'UserError'):
        assert re.search(rf'id="datasetgan_ext[\w.]*\.{name}"', api), name
    for page in (tmp_path / 'site').glob('*.html'):
        prose = re.sub(r'<(pre|code|script)\b.*?</\1>', '', page.read_text(), flags=re.DOTALL)
        shown = re.findall(r'(?m).*\|--.*|^```.*|.*(?<!\w)\*\*\w.*|^(?:-|\d+\.) .*', prose)
        assert shown == [], f'{page.name} shows marks of Markdown as text'
        elsewhere = re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="(https?://[^"]+)"', page.read_text())
        assert elsewhere == [], f'{page.name} asks other servers'


def test_links_between_pages_are_right_in_the_repository_too():
    pages = [
        *ROOT.glob('*.md'),
        *(ROOT / 'docs').glob('*.md'),
        *(ROOT / 'patches').glob('*.md'),
        *(ROOT / 'benchmarks').glob('*.md'),
    ]
    assert len(pages) > 20
    for page in pages:
        text = re.sub(r'```.*?```|`[^`\n]*`', '', page.read_text(encoding='utf-8'), flags=re.DOTALL)
        for link in re.findall(r'\]\((?!https?:|#|mailto:)([^)\s]+)\)', text):
            target, _, anchor = link.partition('#')
            assert (page.parent / target).is_file(), f'{page.name}: {link}'
            if anchor:
                headings = re.findall(r'^#+ (.*)$', (page.parent / target).read_text(encoding='utf-8'), re.MULTILINE)
                slugs = [re.sub(r'[^\w\- ]', '', heading.lower()).replace(' ', '-') for heading in headings]
                assert anchor in slugs, f'{page.name}: {link}'


def test_the_notebook_runs_and_holds_no_outputs(capsys):
    cells = json.loads((ROOT / 'docs' / 'quickstart.ipynb').read_text(encoding='utf-8'))['cells']
    code = [cell for cell in cells if cell['cell_type'] == 'code']
    assert all(not cell['outputs'] and cell['execution_count'] is None for cell in code)
    names = {}
    for cell in code:
        exec(compile(''.join(cell['source']), cell['id'], 'exec'), names)
    side = names['labeler'].generator.image_hw[0]
    assert names['rows'][0].shape == names['rows'][1].shape == (side, 8 * side, 3)
    assert names['counts'].sum() == 8 * side * side
    losses = [float(loss) for loss in re.findall(r'loss ([0-9.]+)', capsys.readouterr().out)]
    assert len(losses) == 6 and losses[-1] < losses[0]
