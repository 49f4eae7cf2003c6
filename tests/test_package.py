"""What is handed out: an sdist, the wheel that it becomes, and what pip does with them beside a torch that is there."""

from __future__ import annotations

import email
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import datasetgan_ext
from datasetgan_ext.generator.upstream import find_upstream
from tests.helpers.trees import manifest
from tests.helpers.upstream import needs_upstream

ROOT = Path(datasetgan_ext.__file__).parents[1]
VERSION = datasetgan_ext.__version__
REPOSITORY = 'somebody/datasetgan'
NOT_IN_THE_WHEEL = ('benchmarks/', 'docs/', 'tests/', 'datasetgan_ext/demo/real/', 'datasetgan_ext/demo/more/')
DATA = (
    r'py\.typed',
    r'core/tasks/[a-z0-9-]+\.json',
    r'demo/(generator|interpreter)\.safetensors',
    r'demo/task\.json',
    r'demo/samples/(samples|keypoints)\.json',
    r'demo/samples/(images|masks)/seed\d{7}\.png',
    r'labeling/page/[a-z-]+\.(js|css|html|json)',
    r'patches/\d{4}-[a-z0-9.-]+\.ed',
    r'report/(page|projections)\.html',
)
"""All files of the wheel that are no modules, each of which some module reads."""

# as `python -m build` does it: the sdist from a checkout, the wheel from the sdist
BUILD = 'import sys; from setuptools import build_meta; getattr(build_meta, sys.argv[1])(sys.argv[2])'


def build(kind: str, source: Path, outdir: Path) -> Path:
    done = subprocess.run(
        [sys.executable, '-c', BUILD, f'build_{kind}', outdir],
        cwd=source,
        env=os.environ | {'GITHUB_REPOSITORY': REPOSITORY, 'GITHUB_SHA': 'c0ffee'},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (path,) = (path for path in outdir.iterdir() if path.suffix == ('.gz' if kind == 'sdist' else '.whl'))
    return path


@pytest.fixture(scope='module')
def built(tmp_path_factory) -> tuple[Path, Path]:
    """The sdist of a clean copy of this checkout, and the wheel made of it."""
    pytest.importorskip('setuptools')
    folder = tmp_path_factory.mktemp('built')
    tracked = subprocess.run(['git', '-C', ROOT, 'ls-files', '-z'], capture_output=True, text=True)
    if tracked.returncode:
        pytest.skip('not a git checkout')
    for name in filter(None, tracked.stdout.split('\0')):
        if (ROOT / name).is_file():
            (folder / 'checkout' / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / 'checkout' / name)
    sdist = build('sdist', folder / 'checkout', folder)
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter='data')
    return sdist, build('wheel', folder / f'datasetgan_ext-{VERSION}', folder)


def new_environment(folder: Path) -> Path:
    """The interpreter of a new environment without pip, whose packages are those of this process.

    Editable installs among them do not come along: a plain line of a .pth is a folder, whose own .pth files are not
    read.
    """
    subprocess.run([sys.executable, '-m', 'venv', '--without-pip', folder], check=True)
    dependencies = [path for path in sys.path if path.endswith('site-packages')]
    (packages_of(folder) / 'dependencies.pth').write_text('\n'.join(dependencies))
    return folder / 'bin' / 'python'


def packages_of(environment: Path) -> Path:
    return next((environment / 'lib').glob('python*/site-packages'))


def pip(python: Path, *arguments) -> str:
    """What pip prints when it works on an environment that it need not be in."""
    command = [sys.executable, '-m', 'pip', '--python', python, *arguments]
    settings = os.environ | {'PIP_CONFIG_FILE': os.devnull}  # a machine's own constraints are not what is tried
    done = subprocess.run(command, env=settings, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope='module')
def installed(built, tmp_path_factory) -> Path:
    """The interpreter of an environment with the wheel alone, beside its dependencies."""
    python = new_environment(tmp_path_factory.mktemp('installed') / 'environment')
    pip(python, 'install', '--quiet', '--no-deps', '--no-index', built[1])
    return python


def test_the_sdist_holds_what_the_documentation_names(built):
    with tarfile.open(built[0]) as archive:
        names = {name.partition('/')[2] for name in archive.getnames()}
    assert {
        'Makefile',
        'constraints.txt',
        'SECURITY.md',
        'docs/demo.png',
        'benchmarks/gpu.sh',
        'patches/README.md',
    } <= names
    assert {'tests/conftest.py', 'datasetgan_ext/demo/more/keypoints.json', 'datasetgan_ext/demo/README.md'} <= names
    text = (ROOT / 'README.md').read_text()
    assert {link.partition('#')[0] for link in re.findall(r'\]\((?!https?:|#)([^)]+)\)', text)} <= names
    assert not [name for name in names if name.startswith('stylegan2_ada_pytorch') or name.endswith('.pyc')]


def test_the_wheel_holds_what_code_reads_and_no_more(built):
    with zipfile.ZipFile(built[1]) as archive:
        names = archive.namelist()
    ours = [name for name in names if not name.startswith(f'datasetgan_ext-{VERSION}.dist-info/')]
    modules = {name for name in ours if name.endswith('.py')}
    assert modules == {path.relative_to(ROOT).as_posix() for path in (ROOT / 'datasetgan_ext').rglob('*.py')}
    data = [name.removeprefix('datasetgan_ext/') for name in ours if name not in modules]
    assert [name for name in data if not any(re.fullmatch(pattern, name) for pattern in DATA)] == []
    assert [pattern for pattern in DATA if not any(re.fullmatch(pattern, name) for name in data)] == []
    assert len([name for name in data if name.startswith('patches/')]) == len(list((ROOT / 'patches').glob('*.ed')))


def test_the_metadata_is_true(built):
    with zipfile.ZipFile(built[1]) as archive:
        metadata = email.message_from_bytes(archive.read(f'datasetgan_ext-{VERSION}.dist-info/METADATA'))
    assert metadata['Version'] == VERSION and f'## [{VERSION}]' in (ROOT / 'CHANGELOG.md').read_text()
    assert f'\nversion: {VERSION}\n' in (ROOT / 'CITATION.cff').read_text()
    assert metadata['Author'] in (ROOT / 'LICENSE').read_text()
    assert f'Source, https://github.com/{REPOSITORY}' in metadata.get_all('Project-URL')
    assert 'Programming Language :: Python :: 3.14' in metadata.get_all('Classifier')
    core = [line for line in metadata.get_all('Requires-Dist') if 'extra ==' not in line]
    assert 'torch>=2.1' in core  # without an upper bound
    assert not [line for line in metadata.get_all('Requires-Dist') if line.startswith('torch') and '<' in line]


def test_pictures_and_links_show_where_there_is_no_repository_around_them(built):
    with zipfile.ZipFile(built[1]) as archive:
        text = email.message_from_bytes(archive.read(f'datasetgan_ext-{VERSION}.dist-info/METADATA')).get_payload()
    targets = re.findall(r'\]\(([^)]+)\)', text)
    assert targets and all(re.match('https?://|#', target) for target in targets)
    assert f'](https://raw.githubusercontent.com/{REPOSITORY}/c0ffee/docs/demo.png)' in text


def test_the_demo_runs_from_the_wheel(installed, tmp_path):
    command = [installed.with_name('datasetgan'), 'generate', '--network=demo', '--seeds=0-1', '--outdir=out']
    environment = {name: value for name, value in os.environ.items() if not name.startswith('PYTHON')}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert [record['seed'] for record in manifest(tmp_path / 'out')] == [0, 1]
    where = [installed, '-c', 'import datasetgan_ext; print(datasetgan_ext.__file__)']
    found = subprocess.run(where, cwd=tmp_path, env=environment, capture_output=True, text=True).stdout
    assert Path(found).is_relative_to(installed.parents[1])


@needs_upstream
def test_patches_are_applied_from_the_wheel(installed, pinned_upstream, tmp_path):
    assert find_upstream() is not None
    done = subprocess.run(
        [installed.with_name('datasetgan'), 'patch-upstream'],
        cwd=tmp_path,
        env=os.environ | {'DATASETGAN_UPSTREAM': str(pinned_upstream), 'PYTHONPATH': ''},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and done.stdout.startswith('Patched: '), done.stderr


def newest_torch() -> str:
    """The newest release that pip finds, or a far one where it reaches no index."""
    found = subprocess.run([sys.executable, '-m', 'pip', 'index', 'versions', 'torch'], capture_output=True, text=True)
    match = re.match(r'torch \(([0-9.]+)', found.stdout)
    return match[1] if match else '2.999.0'


@pytest.mark.parametrize('version', ['2.1.0', 'newest'])
def test_a_torch_that_is_there_is_kept(built, version, tmp_path):
    """And a torchvision, with the extra that needs one: pip has no index, so it cannot want any other release."""
    version = newest_torch() if version == 'newest' else version
    python = new_environment(tmp_path / 'environment')
    for name, release, needs in (
        ('torch', version, ''),
        ('torchvision', '0.99', f'Requires-Dist: torch=={version}\n'),
    ):
        folder = packages_of(tmp_path / 'environment') / f'{name}-{release}.dist-info'
        folder.mkdir()
        (folder / 'METADATA').write_text(f'Metadata-Version: 2.1\nName: {name}\nVersion: {release}\n{needs}')
    wheel = f'datasetgan-ext[downstream] @ {built[1].as_uri()}'
    report = pip(python, 'install', '--dry-run', '--quiet', '--no-index', '--report=-', wheel)
    assert [entry['metadata']['name'] for entry in json.loads(report)['install']] == ['datasetgan-ext']
