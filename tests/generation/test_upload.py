"""A dataset is copied to any place that fsspec knows, and only what is missing there."""

import base64
import hashlib
import shutil
import sys
from dataclasses import replace

import pytest

from datasetgan_ext import gen_dataset
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.formats.conversions import make_conversion
from datasetgan_ext.generation.curation import Curation
from datasetgan_ext.generation.run import Run
from datasetgan_ext.generation.upload import Destination
from datasetgan_ext.interpreter.labeler import Labeler
from tests.helpers.commands import invoke
from tests.helpers.trees import tree

fsspec = pytest.importorskip('fsspec', reason='fsspec is not installed')


@pytest.fixture(params=['memory', 'file'])
def destination(request, tmp_path) -> Destination:
    destination = Destination('memory://bucket/cars' if request.param == 'memory' else f'file://{tmp_path}/a b/copy')
    yield destination
    if request.param == 'memory':
        destination._files.rm('/bucket', recursive=True)


@pytest.fixture
def make_run(generator, interpreter, tmp_path):
    def make(destination, seeds=range(4), keep=0.5, outdir='dataset') -> Run:
        labeler = Labeler(generator, interpreter)
        return Run(labeler, seeds, tmp_path / outdir, Curation(keep), destination=destination)

    return make


@pytest.fixture
def sent(monkeypatch):
    """The names of all files that are copied, in the order in which they are."""
    names, put = [], Destination._put
    monkeypatch.setattr(Destination, '_put', lambda self, files: names.extend(files) or put(self, files))
    return names


def copied(destination, tmp_path) -> dict[str, str]:
    folder = tmp_path / 'back'
    destination._files.get(destination._root, str(folder), recursive=True)
    return tree(folder)


def test_a_copy_is_the_dataset(destination, make_run, tmp_path):
    left = tmp_path / 'dataset' / 'images' / '.seed0000000.png.datasetgan-tmp'
    run = make_run(destination)
    run()
    left.write_bytes(b'by a process that was killed')
    run.destination.send(tmp_path / 'dataset')
    left.unlink()
    assert copied(destination, tmp_path) == tree(tmp_path / 'dataset')


def test_order_of_the_files(destination, make_run, tmp_path, sent):
    make_run(destination)()
    assert sent[:2] == ['dataset.json', 'dataset.json'], 'before the first image is made, and with the rest'
    assert sent[-1] == 'manifest.jsonl' and sorted(sent[1:]) == sorted(tree(tmp_path / 'dataset'))


def test_only_what_is_missing_or_other_is_copied(destination, make_run, tmp_path, sent):
    make_run(destination)()
    files = destination._files
    files.rm(destination._path('images/seed0000002.png'))
    files.pipe_file(destination._path('masks/seed0000001.png'), b'cut off')
    files.rm(destination._path('manifest.jsonl'))
    sent.clear()
    make_run(destination, range(5))()
    assert [name for name in sent if '/' in name] == [
        'images/seed0000002.png',
        'images/seed0000004.png',
        'masks/seed0000001.png',
        'masks/seed0000004.png',
    ]
    assert copied(destination, tmp_path) == tree(tmp_path / 'dataset')


def test_a_file_of_the_same_size_with_another_hash_is_copied_and_one_that_is_gone_is_deleted(
    destination, make_run, tmp_path, sent
):
    make_run(destination)()
    manifest = destination._path('manifest.jsonl')
    lines = destination._files.cat_file(manifest).decode().splitlines(keepends=True)
    start = lines[1].index('"image_sha256": "') + len('"image_sha256": "')
    lines[1] = lines[1][:start] + 64 * '0' + lines[1][start + 64 :]
    lines.append(lines[0].replace('0000000', '0000009'))
    destination._files.pipe_file(manifest, ''.join(lines).encode())
    destination._files.pipe_file(destination._path('images/seed0000009.png'), b'of a sample dropped since')
    sent.clear()
    destination.send(tmp_path / 'dataset')
    assert [name for name in sent if '/' in name] == ['images/seed0000001.png']
    assert copied(destination, tmp_path) == tree(tmp_path / 'dataset')


def test_another_dataset_there_is_told_before_anything_is_made(destination, make_run, tmp_path):
    make_run(destination)()
    with pytest.raises(UserError, match='`upload`=.* holds a dataset made with other options: `keep` was 0.5, now 0.9'):
        make_run(destination, keep=0.9, outdir='other')()
    assert list((tmp_path / 'other').iterdir()) == []
    destination._files.pipe_file(destination._path('dataset.json'), b'[]')
    with pytest.raises(UserError, match='that this program did not write'):
        make_run(destination)()


@pytest.mark.parametrize('copied_before, made', [(0, 0), (2, 4)])
def test_a_place_that_cannot_be_written_is_told_and_the_same_command_goes_on(
    make_run, tmp_path, monkeypatch, copied_before, made
):
    destination = Destination(f'file://{tmp_path / "copy"}')
    put, calls = destination._files.put, []

    def failing(*arguments):
        calls.append(arguments)
        if len(calls) > copied_before:
            raise TimeoutError('the network is down')
        put(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(destination._files, 'put', failing)
        with pytest.raises(UserError, match='TimeoutError: the network is down. Once that is mended'):
            make_run(destination)()
    assert list(tree(tmp_path / 'copy')) == ['dataset.json'] * bool(copied_before)
    assert len(list((tmp_path / 'dataset').glob('images/*'))) == made
    make_run(destination)()
    assert copied(destination, tmp_path) == tree(tmp_path / 'dataset')


def generate(tmp_path, url):
    return invoke(gen_dataset.main, '--network=demo', f'--outdir={tmp_path / "out"}', '--seeds=0', f'--upload={url}')


def test_command_line(tmp_path):
    result = generate(tmp_path, f'file://{tmp_path / "copy"}')
    assert result.exit_code == 0 and f'Copied to file://{tmp_path / "copy"}' in result.output
    assert tree(tmp_path / 'copy') == tree(tmp_path / 'out')


def test_a_missing_package_or_protocol_is_told_before_anything_is_made(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 's3fs', None)
    for url, message in (('s3://bucket/cars', "pip install 'datasetgan-ext[cloud]'"), ('nonsense://x', 'not known')):
        result = generate(tmp_path, url)
        assert result.exit_code == 1 and f'--upload={url}: ' in result.output and message in result.output
    assert not (tmp_path / 'out').exists()


def test_a_place_with_other_files_is_refused_and_stays_as_it_is(destination, make_run, tmp_path):
    destination._files.makedirs(destination._root, exist_ok=True)
    destination._files.pipe_file(destination._path('README.md'), b'of somebody else')
    with pytest.raises(UserError, match=r'holds files, but no dataset.json: README.md. Nothing there was touched'):
        make_run(destination)()
    assert copied(destination, tmp_path) == {'README.md': hashlib.sha256(b'of somebody else').hexdigest()}


def test_a_file_of_the_same_size_is_compared_by_its_content(destination, make_run, tmp_path, sent):
    make_run(destination)()
    files = destination._files
    name = destination._path('images/seed0000002.png')
    files.pipe_file(name, bytes(files.info(name)['size']))
    files.rm(destination._path('manifest.jsonl'))
    sent.clear()
    make_run(destination)()
    assert [name for name in sent if '/' in name] == ['images/seed0000002.png']
    assert copied(destination, tmp_path) == tree(tmp_path / 'dataset')


@pytest.mark.parametrize('told', ['ETag', 'md5Hash'])
def test_a_hash_that_the_store_tells_saves_the_reading(tmp_path, monkeypatch, told):
    destination = Destination('memory://hashes')
    (tmp_path / 'a').write_bytes(b'content')
    digest = hashlib.md5(b'content')
    value = f'"{digest.hexdigest()}"' if told == 'ETag' else base64.b64encode(digest.digest()).decode()
    monkeypatch.setattr(destination._files, 'open', None)
    assert destination._has_content({'name': 'gone', told: value}, tmp_path / 'a')


def test_only_files_of_the_dataset_are_sent_and_no_links(destination, make_run, tmp_path):
    conversions = [make_conversion(name, {'val': 0.3}) for name in ('voc', 'webdataset', 'coco', 'yolo', 'huggingface')]
    run = replace(make_run(destination), conversions=conversions)
    run()
    folder = tmp_path / 'dataset'
    whole = tree(folder)
    assert copied(destination, tmp_path) == whole
    (tmp_path / 'secret').write_text('secret')
    for name in (
        '.env',
        'notes.txt',
        'images/other.png',
        'voc/.env',
        'voc/JPEGImages/other.jpg',
        'coco/images/train/.a.png',
    ):
        (folder / name).write_text('secret')
    for name in ('report.html', 'voc/labelmap.txt', 'images/seed0000001.png'):
        (folder / name).unlink()
        (folder / name).symlink_to(tmp_path / 'secret')
    destination._files.rm(destination._root, recursive=True)
    (folder / 'linked').symlink_to(tmp_path)
    destination.send(folder)
    shutil.rmtree(tmp_path / 'back')
    lost = {'report.html', 'voc/labelmap.txt', 'images/seed0000001.png'}
    assert copied(destination, tmp_path) == {name: digest for name, digest in whole.items() if name not in lost}


def test_a_link_at_the_place_is_not_written_through(make_run, tmp_path):
    destination = Destination(f'file://{tmp_path / "copy"}')
    make_run(destination)()
    (tmp_path / 'victim').write_text('as it was')
    (tmp_path / 'copy' / 'README.md').unlink()
    (tmp_path / 'copy' / 'README.md').symlink_to(tmp_path / 'victim')
    with pytest.raises(UserError, match="'README.md' leads out of this folder"):
        make_run(destination)()
    assert (tmp_path / 'victim').read_text() == 'as it was'


def test_two_processes_do_not_write_to_one_place(make_run, tmp_path):
    destination = Destination(f'file://{tmp_path / "copy"}')
    with destination.held(), pytest.raises(UserError, match='`upload`=.* is being written by another process'):
        make_run(Destination(f'file://{tmp_path / "copy"}'))()
    make_run(destination)()


def test_another_process_that_wrote_there_meanwhile_is_told(destination, make_run, monkeypatch):
    put = Destination._put

    def meddled(self, files):
        put(self, files)
        if 'manifest.jsonl' in files:
            self._files.pipe_file(self._path('dataset.json'), bytes((files['dataset.json']).stat().st_size))

    monkeypatch.setattr(Destination, '_put', meddled)
    with pytest.raises(UserError, match='dataset.json is not there as it was sent; does another process'):
        make_run(destination)()


def test_secrets_of_the_address_are_not_shown(tmp_path):
    destination = Destination('memory://me:s3cret@bucket/cars?key=s3cret')
    assert destination.url == 'memory://bucket/cars'
    with pytest.raises(UserError) as error, destination._telling():
        raise OSError('no route to https://me:s3cret@host/a?key=s3cret')
    assert 's3cret' not in error.value.message and 'https://host/a' in error.value.message
