"""The labelling server by its requests: what it keeps, and what it refuses."""

from __future__ import annotations

import json
import queue
import shlex
import shutil
import signal
import socket
import time
from dataclasses import replace

import numpy as np
import PIL.Image
import pytest
from click.testing import CliRunner

from datasetgan_ext import label
from datasetgan_ext.cli import main
from datasetgan_ext.core.annotation import IGNORE
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats.labels import read_annotations
from datasetgan_ext.formats.png import read_mask
from datasetgan_ext.generator.checkpoint import DEMO_FOLDER
from datasetgan_ext.generator.samples import SampleSet
from datasetgan_ext.labeling import learning
from datasetgan_ext.labeling.selection import choose_diverse, look_of
from datasetgan_ext.labeling.server import FILES
from datasetgan_ext.labeling.store import open_store
from tests.helpers.serving import Client, saved, serving, serving_process

NAME = 'seed0000000'
SIDE = SampleSet.read(DEMO_FOLDER / 'samples').image_hw[0]
MASK, POINTS, STATE = f'/api/samples/{NAME}/mask', f'/api/samples/{NAME}/keypoints', '/api/state'


@pytest.fixture
def task(task):
    return replace(task, keypoints=('eye', 'tail'), skeleton=((0, 1),))


@pytest.fixture
def folder(tmp_path):
    return tmp_path / 'drawn'


@pytest.fixture
def server(samples, task, folder):
    with serving(samples, task, folder) as server:
        yield server


@pytest.fixture
def client(server):
    return Client(server.port, server.token)


def drawn_mask() -> np.ndarray:
    mask = np.full((16, 16), IGNORE, np.uint8)
    mask[2:9, 3:12] = 1
    mask[5, 5] = 0
    mask[14] = 2
    return mask


def test_what_is_saved_is_what_training_reads(client, samples, task, folder):
    assert client('GET', MASK)[1] == bytes([IGNORE]) * 256 and not saved(folder)
    mask = drawn_mask()
    status, body, _ = client('PUT', MASK, mask.tobytes())
    assert status == 200 and json.loads(body)['share'] == pytest.approx((mask != IGNORE).mean())
    assert client('PUT', POINTS, b'[[3.5, 4.25, 2], [0, 0, 0]]')[0] == 200
    assert client('GET', MASK)[1] == mask.tobytes()
    with PIL.Image.open(folder / f'{NAME}.png') as image:
        assert image.mode == 'P' and tuple(image.getpalette()[3:6]) == task.palette[1]
    annotations = read_annotations(task, folder, folder / 'keypoints.json')
    [(sample, found)] = samples.pair(annotations, task)
    assert sample.name == NAME and (found.mask == mask).all()
    assert found.keypoints.points[0].tolist() == [3.5, 4.25] and found.keypoints.visibility.tolist() == [2, 0]


def test_a_later_server_goes_on_with_the_labels(samples, task, folder):
    mask = drawn_mask()
    with serving(samples, task, folder) as server:
        client = Client(server.port, server.token)
        client('PUT', MASK, mask.tobytes())
        client('PUT', POINTS, b'[[3.5, 4.25, 2], [1, 16, 1]]')
    with serving(samples, task, folder) as server:
        client = Client(server.port, server.token)
        assert client('GET', MASK)[1] == mask.tobytes()
        state = json.loads(client('GET', STATE)[1])
        assert [state['height'], state['width'], len(state['samples'])] == [16, 16, 4]
        assert state['samples'][0]['points'] == [[3.5, 4.25, 2], [1, 16, 1]]
        assert [sample['share'] > 0 for sample in state['samples']] == [True, False, False, False]


@pytest.mark.parametrize(
    'path, first, second',
    [
        (MASK, bytes([1]) * 256, bytes([2]) * 256),
        (POINTS, b'[[3.57, 4.25, 2], [0, 0, 0]]', b'[[5, 5, 2], [0, 0, 0]]'),
    ],
    ids=['mask', 'keypoints'],
)
def test_what_another_has_changed_is_not_overwritten(path, first, second, samples, task, folder):
    with serving(samples, task, folder) as server:
        client = Client(server.port, server.token)
        seen = client('GET', path)[2]['ETag']
        status, body, _ = client('PUT', path, first, If_Match=seen)
        assert status == 200
        version = json.loads(body)['version']
        status, reply, _ = client('PUT', path, second, If_Match=seen)
        assert status == 412 and b'Someone else' in reply
        assert client('PUT', path, first, If_Match=seen)[0] == 200  # that is there already: nothing is lost
    with serving(samples, task, folder) as server:  # versions are the same in a later run
        client = Client(server.port, server.token)
        assert client('GET', path)[2]['ETag'] == version
        state = json.loads(client('GET', STATE)[1])
        assert version in state['samples'][0]['versions'].values()
        assert client('PUT', path, second, If_Match=version)[0] == 200


def test_notes_are_kept_beside_the_labels(samples, task, folder):
    notes = {'absent': [1], 'kept': ['1>2@17']}
    path = f'/api/samples/{NAME}/notes'
    with serving(samples, task, folder) as server:
        client = Client(server.port, server.token)
        assert client('PUT', path, json.dumps(notes).encode())[0] == 200
        for wrong in (b'[]', b'{"absent": [1]}', b'{"absent": [true], "kept": []}', b'{"absent": [], "kept": [3]}'):
            status, reply, _ = client('PUT', path, wrong)
            assert status == 400 and (b'absent' in reply or b'kept' in reply)
    with serving(samples, task, folder) as server:
        state = json.loads(Client(server.port, server.token)('GET', STATE)[1])
        assert [sample['notes'] for sample in state['samples'][:2]] == [notes, {'absent': [], 'kept': []}]
    (folder / '.page.json').write_text('{"images": 3}')
    with pytest.raises(UserError, match=r'\.page\.json is not the page.*delete it'), serving(samples, task, folder):
        pass


def test_masks_are_not_opened_with_classes_that_have_moved(samples, task, folder):
    names = list(task.classes)
    with open_store(samples, task, folder) as store:
        store.save_mask(NAME, drawn_mask().tobytes())
        store.notes.remember(1, 'token')
    with open_store(samples, task.only(classes=False, keypoints=True), folder) as store:
        store.notes.remember(2, 'token')
    moved = Task.from_names([names[0], 'new', *names[1:]])
    with pytest.raises(UserError, match='put new classes at its end'), open_store(samples, moved, folder):
        pass
    with open_store(samples, Task.from_names([*names, 'new']), folder) as store:
        assert (store.mask(NAME) == drawn_mask()).all()


def test_labels_that_are_taken_off_leave_no_file(client, folder):
    client('PUT', MASK, drawn_mask().tobytes())
    client('PUT', POINTS, b'[[3.5, 4.25, 2], [0, 0, 0]]')
    assert saved(folder) == {f'{NAME}.png', 'keypoints.json'}
    assert client('PUT', MASK, bytes([IGNORE]) * 256)[0] == 200
    assert client('PUT', POINTS, b'[[0, 0, 0], [0, 0, 0]]')[0] == 200
    assert not saved(folder)


def test_the_page_needs_nothing_from_elsewhere(server, client):
    status, page, headers = Client(server.port, None)('GET', f'/?token={server.token}')
    assert status == 200 and b'src="main.js"' in page and b'href="page.css"' in page
    assert f'datasetgan-label-{server.port}={server.token}' in headers['Set-Cookie']
    assert 'HttpOnly' in headers['Set-Cookie'] and 'SameSite=Strict' in headers['Set-Cookie']
    for path in FILES:
        status, body, headers = client('GET', path)
        assert status == 200 and b'//' not in body.replace(b'// ', b'') and b'<style' not in body
        assert "default-src 'none'" in headers['Content-Security-Policy']
        assert 'unsafe' not in headers['Content-Security-Policy']
    status, image, headers = client('GET', f'/api/samples/{NAME}/image')
    assert status == 200 and image.startswith(b'\x89PNG') and headers['X-Content-Type-Options'] == 'nosniff'


@pytest.mark.parametrize('path', ['/', '/main.js', STATE, MASK, '/?token=', '/?token=wrong', '/?token=%C3%A9'])
def test_nothing_without_the_token(path, server):
    for token in (None, '', 'wrong', server.token[:-1], f'{server.token}x'):
        assert Client(server.port, token)('GET', path)[0] == 403
    assert Client(server.port, None)('PUT', MASK, bytes(256))[0] == 403
    assert Client(server.port, None)('GET', f'{STATE}?token={server.token}')[0] == 403  # the page's alone


@pytest.mark.parametrize(
    'headers',
    [
        {'Origin': 'http://evil.example'},
        {'Origin': 'null'},
        {'Origin': 'http://127.0.0.1:1'},
        {'Host': 'evil.example'},
        {'Host': ''},
        {'Host': '[x'},
        {'Host': '10.0.0.7:80'},
        {'Sec-Fetch-Site': 'cross-site'},
        {'Sec-Fetch-Site': 'same-site'},
    ],
)
def test_other_sites_are_refused(headers, client, folder):
    for method, path, body in (('GET', STATE, None), ('PUT', MASK, bytes(256))):
        assert client(method, path, body, **headers)[0] == 403
    assert not saved(folder)


def test_own_names_are_served(server, client):
    for host in (f'127.0.0.1:{server.port}', f'localhost:{server.port}', '127.0.0.1:9000', f'[::1]:{server.port}'):
        assert client('GET', STATE, Host=host, Origin=f'http://{host}')[0] == 200


def test_names_have_no_case(samples, task, folder):
    with serving(samples, task, folder, host='LocalHost') as server:
        assert Client(server.port, server.token)('GET', STATE, Host=f'localhost:{server.port}')[0] == 200


def test_a_mask_that_is_there_already_changes_nothing(server, client, folder):
    mask = drawn_mask().tobytes()
    assert client('PUT', MASK, mask)[0] == 200
    written, changes = (folder / f'{NAME}.png').stat().st_mtime_ns, server.store.changes
    assert client('PUT', MASK, mask)[0] == 200
    assert client('PUT', MASK.replace(NAME, 'seed0000001'), bytes([IGNORE]) * 256)[0] == 200
    assert (folder / f'{NAME}.png').stat().st_mtime_ns == written and server.store.changes == changes


def test_a_server_for_other_machines_knows_itself_by_number(samples, task, folder):
    with serving(samples, task, folder, host='0.0.0.0') as server:
        client = Client(server.port, server.token)
        assert client('GET', STATE, Host=f'10.0.0.7:{server.port}')[0] == 200
        assert client('GET', STATE, Host=f'evil.example:{server.port}')[0] == 403
        assert client('GET', STATE, Host='')[0] == 403


@pytest.mark.parametrize(
    'path',
    [
        '/api/samples/seed0000009/mask',
        '/api/samples/../mask',
        '/api/samples/..%2f..%2fsamples.json/mask',
        '/api/samples/%2e%2e/image',
        '/../label.py',
        '/api/samples//image',
        '/api/samples',
        '/samples.json',
        '/index.html',
        f'/api/samples/{NAME}',
        f'/api/samples/{NAME}/other',
        f'/api/samples/{NAME}/suggestion',
        '/api/suggest',
    ],
)
def test_unknown_names_and_paths(path, client, folder):
    assert client('GET', path)[0] == 404
    assert client('PUT', path, bytes(256))[0] == 404
    assert client('POST', path, b'{}')[0] == 404
    assert not saved(folder)


@pytest.mark.parametrize(
    'path, body, status',
    [
        (MASK, bytes(255), 400),
        (MASK, b'', 400),
        (MASK, bytes(257), 413),
        (MASK, bytes([3]) * 256, 400),
        (POINTS, b'[[1, 2, 3], [0, 0, 0]]', 400),
        (POINTS, b'[[1, 2, 2]]', 400),
        (POINTS, b'{}', 400),
        (POINTS, b'[', 400),
        (POINTS, b'[[1, 16.5, 2], [0, 0, 0]]', 400),
        (POINTS, b'[[NaN, 1, 2], [0, 0, 0]]', 400),
        (POINTS, b'[["a", 1, 2], [0, 0, 0]]', 400),
        (POINTS, b'[[1e999, 1, 2], [0, 0, 0]]', 400),
        (POINTS, b'[' * 30_000, 400),
        (POINTS, b' ' * 70_000, 413),
        (POINTS, b'\xff', 400),
    ],
)
def test_wrong_bodies(path, body, status, client, folder):
    assert client('PUT', path, body)[0] == status
    assert not saved(folder)
    assert client('GET', STATE)[0] == 200


@pytest.mark.parametrize(
    'headers, status',
    [
        ({'Content-Length': '99999999999'}, 413),
        ({'Content-Length': '9' * 5000}, 411),
        ({'Content-Length': '-1'}, 411),
        ({'Content-Length': None}, 411),
        ({'Content-Length': 'x'}, 411),
        ({'Content-Length': '256', 'Transfer-Encoding': 'chunked'}, 411),
    ],
)
def test_the_length_is_checked_before_the_body_is_read(headers, status, client):
    assert client('PUT', MASK, b'', **headers)[0] == status


def test_other_methods_are_refused(client):
    assert client('DELETE', MASK)[0] == 501 and client('OPTIONS', STATE)[0] == 501


def test_a_full_disk_is_told(client, folder, monkeypatch):
    def fail(*arguments):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr('datasetgan_ext.labeling.store.png.write_mask', fail)
    status, body, _ = client('PUT', MASK, drawn_mask().tobytes())
    assert status == 500 and b'No space left' in body
    assert client('GET', MASK)[1] == bytes([IGNORE]) * 256 and not saved(folder)


def test_suggestions(samples, task, folder, generator, labels):
    shutil.copytree(labels, folder)
    (folder / 'seed0000003.png').unlink()
    with serving(samples, task, folder, generator) as server:
        client = Client(server.port, server.token)
        assert client('POST', '/api/suggest', b'{"name": "../x"}')[0] == 404
        assert client('POST', '/api/suggest', b'{"name": []}')[0] == 404
        assert client('POST', '/api/suggest', b'[]')[0] == 404
        assert client('POST', '/api/suggest', b'{"name": "seed0000003"}')[0] == 202
        state = wait_for(client, lambda state: state['ready'] and state['phase'] == 'idle')
        assert state['error'] == '' and len(state['uncertainty']) == 4
        both = np.frombuffer(client('GET', '/api/samples/seed0000003/suggestion')[1], np.uint8).reshape(2, 16, 16)
        assert set(np.unique(both[0])) <= {0, 1, 2}  # how right it is, test_page tells with the demo
        assert both[1].max() > 0
        assert client('GET', '/api/samples/seed0000003/glance')[1] == both[0].tobytes()  # it is small already
        assert sorted(state['serials']) == sorted(state['uncertainty'])  # the others have been predicted, too
        assert not (folder / 'seed0000003.png').exists()


def test_a_training_that_fails_is_told_and_can_be_tried_again(samples, task, folder, generator, labels):
    with serving(samples, task, folder, generator) as server:
        client = Client(server.port, server.token)
        client('POST', '/api/suggest', b'{"name": "seed0000003"}')
        assert 'at least two classes' in wait_for(client, lambda state: state['error'])['error']
        picture = samples.folder / 'images' / f'{NAME}.png'
        content = picture.read_bytes()
        shutil.copyfile(samples.folder / 'images' / 'seed0000001.png', picture)
        client('PUT', MASK, read_mask(labels / f'{NAME}.png').tobytes())  # from here its features may be taken
        client('POST', '/api/suggest', b'{"name": "seed0000003"}')
        assert 'is not the image of seed 0' in wait_for(client, lambda state: state['error'])['error']
        picture.write_bytes(content)
        client('POST', '/api/suggest', b'{"name": "seed0000003"}')
        assert wait_for(client, lambda state: state['ready'])['ready'] == 'seed0000003'


def test_suggestions_of_keypoints(samples, task, folder, generator):
    task = task.only(False, True)
    with serving(samples, task, folder, generator) as server:
        client = Client(server.port, server.token)
        client('PUT', POINTS, b'[[3.5, 4.25, 2], [0, 0, 0]]')
        client('POST', '/api/suggest', json.dumps({'name': NAME}).encode())
        # an image's own keypoints are perhaps not all placed yet, so that they teach nothing about it
        assert 'on another image' in wait_for(client, lambda state: state['error'])['error']
        client('POST', '/api/suggest', b'{"name": "seed0000003"}')
        wait_for(client, lambda state: state['ready'])
        points = json.loads(client('GET', '/api/samples/seed0000003/suggested-keypoints')[1])['points']
        assert len(points) == 2 and points[1] == [0, 0, 0]  # never seen, so absent
        assert client('GET', '/api/samples/seed0000003/suggestion')[:2] == (200, b'')
        assert client('POST', '/api/check', b'{}')[0] == 409


def test_labels_are_checked_by_those_of_the_others(samples, task, folder, generator, labels):
    shutil.copytree(labels, folder)
    mask = read_mask(folder / f'{NAME}.png')
    with serving(samples, task, folder, generator) as server:
        client = Client(server.port, server.token)
        assert client('POST', '/api/check', b'{}')[0] == 202
        state = wait_for(client, lambda state: not state['unchecked'] and state['phase'] == 'idle')
        assert state['error'] == '' and set(state['doubts']) == {sample.name for sample in samples.samples}
        doubts = json.loads(client('GET', f'/api/samples/{NAME}/doubts')[1])['doubts']
        assert sum(len(doubt['pixels']) for doubt in doubts) == state['doubts'][NAME]
        assert all((mask.ravel()[doubt['pixels']] == doubt['labeled']).all() for doubt in doubts)


def follow(client, name, **more):
    assert client('POST', '/api/follow', json.dumps({'name': name, **more}).encode())[0] == 202


def learned(client):
    """The state once all that there is to learn is learned."""
    return wait_for(client, lambda state: state['phase'] == 'idle' and state['progress'] == 1)


def test_suggestions_come_by_themselves_and_are_renewed(samples, task, folder, generator, labels):
    task = task.only(True, False)
    true = {name: read_mask(labels / f'{name}.png') for name in (NAME, 'seed0000001')}
    with serving(samples, task, folder, generator) as server:
        client = Client(server.port, server.token)
        follow(client, 'seed0000003')
        state = wait_for(client, lambda state: state['lacks'] and state['phase'] == 'idle')
        assert 'at least two classes' in state['lacks'] and state['error'] == '' and state['serials'] == {}
        client('PUT', MASK, true[NAME].tobytes())
        follow(client, 'seed0000003', next=['seed0000001'])
        first = learned(client)
        assert first['lacks'] == '' and sorted(first['serials']) == sorted(store_names(samples))
        assert first['ready'] is None  # nobody has asked
        client('PUT', '/api/samples/seed0000001/mask', true['seed0000001'].tobytes())
        follow(client, 'seed0000003')
        second = wait_for(client, lambda state: state['serials']['seed0000003'] > first['serials']['seed0000003'])
        assert second['serials']['seed0000003'] > max(first['serials'].values())
        learned(client)
        follow(client, 'seed0000003', auto=False)
        client('PUT', MASK, drawn_mask().tobytes())
        follow(client, 'seed0000003', auto=False)
        still = wait_for(client, lambda state: state['phase'] == 'idle')
        time.sleep(0.3)
        assert json.loads(client('GET', '/api/suggest')[1])['serials'] == still['serials']


def test_an_order_is_there_before_the_first_label_and_follows_what_is_finished(
    samples, task, folder, generator, labels
):
    looks = {
        sample.name: look_of([maps.half() for maps in generator.synthesize([sample.seed], samples.options).features])
        for sample in samples.samples
    }
    with serving(samples, task.only(True, False), folder, generator) as server:
        client = Client(server.port, server.token)
        first = wait_for(client, lambda state: state['phase'] == 'idle')['order']
        assert first == choose_diverse(looks, []) and sorted(first) == store_names(samples)
        client('PUT', f'/api/samples/{first[1]}/mask', read_mask(labels / f'{first[1]}.png').tobytes())
        later = wait_for(client, lambda state: len(state['order']) == 3)['order']
        assert later == choose_diverse(looks, [first[1]])


def store_names(samples):
    return [sample.name for sample in samples.samples]


def test_nothing_is_suggested_by_labels_that_are_gone(samples, task, folder, generator, labels):
    with serving(samples, task.only(True, False), folder, generator) as server:
        client = Client(server.port, server.token)
        mask = read_mask(labels / f'{NAME}.png')
        assert set(np.unique(mask)) == {0, 1, 2}
        client('PUT', MASK, mask.tobytes())
        client('POST', '/api/suggest', b'{"name": "seed0000003"}')
        wait_for(client, lambda state: state['ready'])
        client('PUT', MASK, np.where(mask == 2, IGNORE, mask).astype(np.uint8).tobytes())
        assert json.loads(client('GET', '/api/suggest')[1])['serials'] == {}
        assert client('GET', '/api/samples/seed0000003/suggestion')[0] == 404
        assert client('GET', '/api/samples/seed0000003/glance')[0] == 404


@pytest.mark.parametrize(
    'wish, status',
    [
        ({'name': 'seed0000009'}, 404),
        ({'name': ['seed0000000']}, 404),
        ([], 404),
        ({'name': NAME, 'next': ['../x']}, 400),
        ({'name': NAME, 'next': [[]]}, 400),
        ({'name': NAME, 'next': NAME}, 400),
        ({'name': NAME, 'box': [0, 0, 17, 4]}, 400),
        ({'name': NAME, 'box': [4, 0, 4, 4]}, 400),
        ({'name': NAME, 'box': [0, 0, 4.5, 4]}, 400),
        ({'name': NAME, 'box': [0, 0, 4]}, 400),
        ({'name': NAME, 'next': [NAME], 'box': [0, 0, 16, 16]}, 202),
    ],
)
def test_what_the_page_follows_is_checked(samples, task, folder, generator, wish, status):
    with serving(samples, task, folder, generator) as server:
        assert Client(server.port, server.token)('POST', '/api/follow', json.dumps(wish).encode())[0] == status


def test_a_part_of_a_mask_is_saved(client, folder):
    client('PUT', MASK, drawn_mask().tobytes())
    version = client('GET', MASK)[2]['ETag']
    status, body, _ = client('PUT', f'{MASK}?box=4,1,7,3', bytes([0, 1, 2, 2, 1, 0]), If_Match=version)
    expected = drawn_mask()
    expected[1:3, 4:7] = [[0, 1, 2], [2, 1, 0]]
    assert status == 200 and (read_mask(folder / f'{NAME}.png') == expected).all()
    now = json.loads(body)['version']
    assert now == client('GET', MASK)[2]['ETag']
    assert client('PUT', f'{MASK}?box=0,0,1,1', bytes([2]), If_Match=version)[0] == 412  # it is another one by now
    for box, part in (('0,0,1,1', bytes(2)), ('0,0,17,1', bytes(17)), ('3,0,3,1', b''), ('-1,0,1,1', bytes(2)),
                      ('0,0,1', bytes(1)), ('0,0,1,1', bytes([9]))):  # fmt: skip
        assert client('PUT', f'{MASK}?box={box}', part, If_Match=now)[0] == 400
    assert (read_mask(folder / f'{NAME}.png') == expected).all()


def test_settled_labels_are_made_ready_and_gathered_once(samples, task, folder, generator, labels, monkeypatch):
    shutil.copytree(labels, folder)
    monkeypatch.setattr('datasetgan_ext.labeling.suggest.SETTLED_SECONDS', 0.05)
    gathered = queue.Queue()
    gather = learning.Learner._gather

    def note(learner, labels):
        gathered.put(labels.name)
        gather(learner, labels)

    monkeypatch.setattr(learning.Learner, '_gather', note)
    names = [sample.name for sample in samples.samples]
    with serving(samples, task, folder, generator) as server:
        client = Client(server.port, server.token)
        assert [gathered.get(timeout=60) for _ in names] == names
        client('PUT', MASK, bytes(256))
        client('POST', '/api/suggest', b'{"name": "seed0000003"}')
        wait_for(client, lambda state: state['ready'])
        assert gathered.get(timeout=60) == NAME and gathered.empty()


def wait_for(client, condition) -> dict:
    for _ in range(1200):
        state = json.loads(client('GET', '/api/suggest')[1])
        if condition(state):
            return state
        time.sleep(0.05)
    raise AssertionError(state)


@pytest.fixture
def demo(tmp_path):
    """A copy of the demo's samples, and the arguments that label it."""
    shutil.copytree(DEMO_FOLDER / 'samples', tmp_path / 'demo', ignore=shutil.ignore_patterns('masks'))
    return [f'--samples={tmp_path}/demo', f'--classes={DEMO_FOLDER}/task.json']


def test_a_killed_server_loses_nothing_that_was_saved(demo, tmp_path):
    path = tmp_path / 'demo' / 'labels' / f'{NAME}.png'
    masks = [np.full((SIDE, SIDE), number % 7, np.uint8) for number in range(200)]
    with serving_process(*demo) as (process, port, token):
        client = Client(port, token)
        for mask in masks[:40]:
            assert client('PUT', MASK, mask.tobytes())[0] == 200
        process.kill()  # no chance to tidy up
        process.wait()
    assert (read_mask(path) == masks[39]).all()
    with serving_process(*demo) as (process, port, token):
        connection = socket.create_connection(('127.0.0.1', port))
        for mask in masks:  # without waiting for replies: it is killed somewhere in between
            connection.sendall(
                f'PUT {MASK} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {SIDE**2}\r\n'
                f'Cookie: datasetgan-label-{port}={token}\r\n\r\n'.encode()
                + mask.tobytes()
            )
        connection.recv(1)
        process.kill()
        process.wait()
        connection.close()
    assert len(np.unique(read_mask(path))) == 1  # one whole mask
    with serving_process(*demo) as (process, port, token):
        assert Client(port, token)('GET', MASK)[1] == read_mask(path).tobytes()


def test_the_same_command_after_a_crash_goes_on_for_an_open_page(demo, tmp_path):
    with serving_process(*demo) as (process, port, token):
        process.kill()
        process.wait()
    assert (tmp_path / 'demo' / 'labels' / '.page.json').stat().st_mode & 0o077 == 0
    with serving_process(*demo) as (process, port_now, token_now):
        assert (port_now, token_now) == (port, token)
        assert Client(port, token)('PUT', MASK, bytes(SIDE**2))[0] == 200
        process.kill()
        process.wait()
    with socket.create_server(('127.0.0.1', port)), serving_process(*demo) as (_, port_now, token_now):
        assert port_now != port and token_now == token


def test_the_command_that_the_page_shows_trains(demo, tmp_path):
    with serving_process(*demo) as (_, port, token):
        state = json.loads(Client(port, token)('GET', STATE)[1])
    program, verb, *arguments = shlex.split(state['command'])
    context = main.get_command(None, verb).make_context(verb, arguments)
    assert program == 'datasetgan' and context.params['network'] == 'demo'
    assert context.params['labels'] == (str(tmp_path / 'demo' / 'labels'),)


def test_ctrl_c_ends_it_in_the_middle_of_a_training(demo):
    with serving_process(*demo) as (process, port, token):
        client = Client(port, token)
        client('PUT', MASK, read_mask(DEMO_FOLDER / 'samples' / 'masks' / f'{NAME}.png').tobytes())
        client('POST', '/api/suggest', b'{"name": "seed0000001"}')
        wait_for(client, lambda state: state['phase'] == 'training')
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 0 and 'is on disk' in output and 'Traceback' not in errors


def test_a_refused_mask_is_answered_though_its_body_is_on_the_way(server):
    status, reply, headers = Client(server.port, 'old')('PUT', MASK, bytes(256))
    assert status == 403 and b'open the address' in reply and headers['Connection'] == 'close'


def test_a_second_server_on_the_same_labels_is_refused(demo, tmp_path):
    with serving_process(*demo):
        result = CliRunner().invoke(label.main, ['--network=demo', *demo])
    assert result.exit_code == 1 and f'--labels={tmp_path}/demo/labels is being written by another' in result.output


def wrong_size(folder):
    PIL.Image.fromarray(np.zeros((SIDE // 2, SIDE), np.uint8)).save(folder / f'{NAME}.png')


def in_capitals(folder):
    PIL.Image.fromarray(np.zeros((SIDE, SIDE), np.uint8)).save(folder / 'seed0000000.PNG', format='PNG')


def in_a_subfolder(folder):
    (folder / 'monday').mkdir()
    PIL.Image.fromarray(np.zeros((SIDE, SIDE), np.uint8)).save(folder / 'monday' / 'seed0000000.png')


def stranger(folder):
    PIL.Image.fromarray(np.zeros((SIDE, SIDE), np.uint8)).save(folder / 'cat.png')


def unknown_id(folder):
    PIL.Image.fromarray(np.full((SIDE, SIDE), 99, np.uint8)).save(folder / f'{NAME}.png')


def broken_keypoints(folder):
    (folder / 'keypoints.json').write_text('{"images": [')


@pytest.mark.parametrize(
    'make, message',
    [
        (wrong_size, f'is {SIDE // 2}x{SIDE}, its image is {SIDE}x{SIDE}'),
        (stranger, 'cat.png'),
        (in_capitals, 'seed0000000.PNG would be drawn on as seed0000000.png'),
        (in_a_subfolder, 'monday/seed0000000.png would be drawn on as seed0000000.png'),
        (unknown_id, 'class id 99 is outside the class list'),
        (broken_keypoints, 'cannot be read as JSON'),
    ],
)
def test_labels_of_something_else_are_refused(make, message, demo, tmp_path):
    (tmp_path / 'labels').mkdir()
    make(tmp_path / 'labels')
    result = CliRunner().invoke(label.main, ['--network=demo', *demo, f'--labels={tmp_path}/labels'])
    assert result.exit_code == 1 and message in result.output, result.output


@pytest.mark.parametrize(
    'arguments, message',
    [
        (['--samples=nowhere'], '--samples=nowhere holds no samples.json'),
        (['--classes=nowhere.txt'], '--classes=nowhere.txt cannot be read'),
        (['--labels=/proc/labels'], '/proc/labels cannot be written'),
        (['--host=203.0.113.7'], '--host=203.0.113.7 --port=0 cannot be served'),
        (['--network=nowhere.pkl'], '--network=nowhere.pkl: no such file'),
        (['--port=70000'], "'--port'"),
    ],
)
def test_bad_options(arguments, message, demo):
    result = CliRunner().invoke(label.main, ['--network=demo', *demo, *arguments])
    assert result.exit_code != 0 and message in result.output and 'Traceback' not in result.output, result.output


def test_a_taken_port_and_a_foreign_network(demo, samples, task, tmp_path):
    with socket.create_server(('127.0.0.1', 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(label.main, ['--network=demo', *demo, f'--port={port}'])
    assert result.exit_code == 1 and f'--port={port} cannot be served' in result.output
    result = CliRunner().invoke(
        label.main, ['--network=demo', *demo, f'--samples={samples.folder}', f'--labels={tmp_path}/other']
    )
    assert result.exit_code == 1 and 'is not the network that made' in result.output


@pytest.mark.parametrize('path', ['http://[', '//[', '*', '/api/samples/%00/image', '/api/samples/%ff/image'])
@pytest.mark.parametrize('with_token', [False, True])
def test_an_address_that_is_none_is_refused_without_a_traceback(server, path, with_token, caplog):
    cookie = f'Cookie: datasetgan-label-{server.port}={server.token}\r\n' if with_token else ''
    with socket.create_connection(('127.0.0.1', server.port), 20) as connection:
        request = f'GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n{cookie}Connection: close\r\n\r\n'
        connection.sendall(request.encode())
        reply = b''.join(iter(lambda: connection.recv(4096), b''))
    assert int(reply.split()[1]) in (400, 403, 404)
    assert 'A request failed' not in caplog.text


def test_a_sample_that_is_a_link_elsewhere_is_not_served(client, samples, tmp_path):
    path = samples.folder / samples.samples[0].image
    (tmp_path / 'secret').write_bytes(b'secret')
    path.unlink()
    path.symlink_to(tmp_path / 'secret')
    status, body, _ = client('GET', f'/api/samples/{samples.samples[0].name}/image')
    assert status != 200 and b'leads out of this folder' in body and body != b'secret'


def test_the_token_for_the_browsers_arguments_serves_once(server):
    url = server.ticket_url()
    assert server.token not in url
    path = url[url.index('/?') :]
    stranger = Client(server.port, None)
    status, _, headers = stranger('GET', path)
    assert status == 200 and server.token in headers['Set-Cookie']
    assert stranger('GET', path)[0] == 403 and stranger('GET', '/?token=')[0] == 403


def test_training_on_a_folder_without_labels_says_so(demo, task, tmp_path):
    with serving_process(*demo) as (process, _, _):
        process.kill()
        process.wait()
    labels = tmp_path / 'demo' / 'labels'
    assert saved(labels) == {'.page.json'}
    with pytest.raises(UserError, match='is empty: nothing is labelled yet'):
        read_annotations(task, labels, None)
