"""The README shows what it says it shows."""

import re
from pathlib import Path

import datasetgan_ext

ROOT = Path(datasetgan_ext.__file__).parents[1]
TEXT = (ROOT / 'README.md').read_text()


def test_pictures_and_linked_files_are_there():
    links = [link for link in re.findall(r'\]\(([^)]+)\)', TEXT) if not link.startswith('http')]
    assert 'docs/demo.png' in links
    assert all((ROOT / link.partition('#')[0]).is_file() for link in links)


def test_it_is_short():
    assert len(TEXT.splitlines()) <= 170
    assert [line for line in TEXT.splitlines() if len(line) > 125 and line[:1] not in '|!'] == []


def test_tables_are_those_of_the_benchmarks(monkeypatch, tmp_path):
    """And those that are not of the code and the interpreter of now say so."""
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks import readme_tables

    monkeypatch.setattr(readme_tables, 'ROOT', tmp_path)
    before = {page: (ROOT / page).read_text() for page in readme_tables.PAGES}
    (tmp_path / 'docs').mkdir()
    for page, text in before.items():
        (tmp_path / page).write_text(text)
    readme_tables.main()
    after = {page: (tmp_path / page).read_text() for page in before}
    assert after == before, (
        'Tables are not those of benchmarks/results, or do not say that code has changed since they were measured: '
        'python benchmarks/readme_tables.py'
    )


def test_python_example_runs(monkeypatch):
    code = re.search(r'```python\n(.*?)```', TEXT, flags=re.DOTALL)[1]
    code = code.replace('range(8)', 'range(2)').replace('batch_size=8):\n    ...', 'batch_size=2):\n    break')
    assert 'break' in code
    names = {}
    exec(compile(code, 'README.md', 'exec'), names)
    image_hw = names['labeler'].generator.image_hw
    assert names['images'].shape == (2, 3, *image_hw) and names['sample'].mask.shape == image_hw
