"""Damaged and hostile files, by the thousand, to the readers of files that other people made.

The outcome of any input has to be what the reader returns, or a UserError: never another exception, more than ten
seconds, or more than a gigabyte.

    python benchmarks/fuzz.py --target=pickle --minutes=60 --findings=findings
    PYTHONPATH=DIR python benchmarks/fuzz.py --target=interpreter --engine=atheris

Inputs are mutations of small right files. Where atheris can be imported, it chooses those that reach new code;
else, or with --engine=mutations, they are drawn at random, and know the form of the file. What failed is kept in
--findings, and `--replay=FILE` tries it again.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import multiprocessing
import os
import pickle
import pickletools
import random
import resource
import struct
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

SECONDS = 10
BYTES = 2**30
MAX_INPUT = 2**20
EXTRA_OF_ATHERIS_MB = 512
"""Of memory for what it keeps itself: its counters and its corpus."""


@dataclass
class Target:
    """A reader.

    Attributes:
        read: reads a file, returns anything, and raises UserError for what is wrong with the file.
        corpus: right files, from which the inputs are made.
        mutate: another content, by a change that knows the form; None = bytes alone are changed.
        suffix: of the files' names.
    """

    read: Callable[[Path], object]
    corpus: list[bytes]
    mutate: Callable[[random.Random, bytes], bytes] | None = None
    suffix: str = ''


def pickle_target(_argument: str) -> Target:
    """Network pickles and archives of torch.save, up to the generator."""
    import torch

    from datasetgan_ext.generator.generator import Generator
    from datasetgan_ext.generator.network_pickle import load_generator_pickle
    from datasetgan_ext.generator.upstream import find_upstream, import_upstream

    root = find_upstream()
    if root is None:
        raise click.UsageError('the stylegan2_ada_pytorch submodule is not checked out')
    networks, easy_dict = import_upstream('training.networks', root), import_upstream('dnnlib', root).EasyDict
    network = networks.Generator(
        4, 0, 4, 8, 1, easy_dict(num_layers=1), easy_dict(channel_base=16, channel_max=2)
    ).requires_grad_(False)
    contents = [{'G_ema': network, 'training_set_kwargs': easy_dict(path='a.zip', size=3)}, network, {'G': network}]
    corpus = [pickle.dumps(content, protocol) for content in contents for protocol in (2, 3, 4, 5)]
    corpus += [
        pickle.dumps({'x': [1, 2.5, None, True, 'text', (1, 2), {3: b'bytes'}]}, protocol) for protocol in (2, 4)
    ]
    with tempfile.TemporaryDirectory() as folder:
        torch.save({'g_ema': {'style.1.weight': torch.ones(2, 2)}, 'latent_avg': torch.ones(2)}, Path(folder, 'a.pt'))
        corpus.append(Path(folder, 'a.pt').read_bytes())

    def read(path: Path) -> object:
        return Generator(load_generator_pickle(path, root=root), 'file')

    return Target(read, corpus, mutate_pickle, '.pkl')


def interpreter_target(_argument: str) -> Target:
    """Interpreters."""
    from datasetgan_ext.core.task import Task
    from datasetgan_ext.generator.features import Layer
    from datasetgan_ext.generator.sampling import SamplingOptions
    from datasetgan_ext.interpreter.ensemble import Ensemble
    from datasetgan_ext.interpreter.interpreter import Interpreter

    corpus = []
    keypoints = {'keypoints': ['left', 'right'], 'skeleton': [[0, 1]], 'left_right_pairs': [[0, 1]]}
    for extra, outputs, last in (({}, 2, (8, 8)), (keypoints, 4, (8, 4))):
        interpreter = Interpreter(
            ensemble=Ensemble(2, 2 + 3 + 9, (3, 2), outputs),
            task=Task.from_json({'classes': ['background', 'thing'], **extra}, 'classes'),
            layers=[Layer('b4.conv1', 2, (4, 4)), Layer('b8.conv1', 3, last)],
            options=SamplingOptions(trunc=0.7),
            image_hw=(8, 8),
            network='net.pkl',
            network_fingerprint='0' * 64,
            training={'images': 3, 'sigma': 1.5, 'seeds': [1, 2, 3]},
            difference_layers=[1],
        )
        with tempfile.TemporaryDirectory() as folder:
            interpreter.save(Path(folder, 'a.safetensors'))
            corpus.append(Path(folder, 'a.safetensors').read_bytes())
    return Target(Interpreter.load, corpus, mutate_safetensors, '.safetensors')


def labels_target(argument: str) -> Target:
    """Label files of one format."""
    from benchmarks import fuzz_labels

    return fuzz_labels.labels_target(argument, Target, _mutate_json, mutate_bytes)


TARGETS: dict[str, Callable[[str], Target]] = {
    'pickle': pickle_target,
    'interpreter': interpreter_target,
    'labels': labels_target,
}
"""By the part of --target before a colon; what is behind it is their argument, as in `labels:FORMAT`."""

INTERESTING = (0, 1, -1, 2, 7, 127, 128, 255, 256, 2**15, 2**16, 2**20, 2**26, 2**31 - 1, 2**31, 2**32, 2**62, 2**64)


def mutate_bytes(rng: random.Random, data: bytes) -> bytes:
    """Some bytes changed, cut out, doubled or put in; or the end cut off."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        place = rng.randrange(len(data) + 1)
        length = rng.choice((1, 1, 2, 4, 8, 64, 1024))
        kind = rng.randrange(6)
        if kind == 0 and place < len(data):
            data[place] = rng.randrange(256)
        elif kind == 1:
            del data[place : place + length]
        elif kind == 2:
            data[place:place] = data[place : place + length] * rng.choice((1, 2, 100))
        elif kind == 3:
            number = rng.choice(INTERESTING) % 2**64
            data[place : place + 8] = struct.pack('<Q', number)[: rng.choice((1, 2, 4, 8))]
        elif kind == 4:
            data[place:place] = rng.randbytes(length)
        else:
            del data[len(data) - length :]
    return bytes(data[:MAX_INPUT])


def mutate_pickle(rng: random.Random, data: bytes) -> bytes:
    """Opcodes left out, doubled, exchanged, or put in with arguments of all sizes."""
    try:
        places = [place for _, _, place in pickletools.genops(data)] + [len(data)]
    except Exception:  # not a pickle any more
        return mutate_bytes(rng, data)
    parts = [data[start:stop] for start, stop in zip(places, places[1:])]
    for _ in range(rng.choice((1, 1, 2, 5))):
        place = rng.randrange(len(parts))
        kind = rng.randrange(6)
        if kind == 0:
            del parts[place]
        elif kind == 1:
            parts[place:place] = [parts[place]] * rng.choice((1, 2, 30, 1000))
        elif kind == 2:
            parts[place:place] = [rng.choice(parts)]
        elif kind == 3:
            parts[place] = rng.choice(parts)
        elif kind == 4:
            parts[place:place] = [_opcode(rng)]
        else:  # something that doubles: a tuple of itself twice
            parts[place:place] = [rng.choice((b'2\x86', b'2\x86' * 40, b'(222t', b'](2e'))]
        if not parts:
            return b''
    return b''.join(parts)[:MAX_INPUT]


def _opcode(rng: random.Random) -> bytes:
    code = rng.choice('JKM\x8a\x8bXBC\x8c\x8d\x8e\x96TU]})\x8flt\x85\x86\x87ae\x90suqr\x94hjR\x81bQ012(N\x88\x95G')
    kind = pickletools.code2op[code].arg
    number = rng.choice(INTERESTING) % 2**64
    size = 0
    if kind is not None:
        size = {-2: 1, -3: 4, -4: 4, -5: 8}.get(kind.n, max(kind.n, 0))
    return code.encode('latin-1') + struct.pack('<Q', number)[:size]


def mutate_safetensors(rng: random.Random, data: bytes) -> bytes:
    """Values of the description changed, taken out, or put in the place of others."""
    try:
        length = int.from_bytes(data[:8], 'little')
        header = json.loads(data[8 : 8 + length])
        key = next(iter(header['__metadata__']))
        content = json.loads(header['__metadata__'][key])
    except (ValueError, LookupError, TypeError, AttributeError, StopIteration):
        return mutate_bytes(rng, data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        _mutate_json(rng, content if rng.random() < 0.8 else header)
    if isinstance(header.get('__metadata__'), dict):
        header['__metadata__'][key] = json.dumps(content)
    text = json.dumps(header).encode()
    text += b' ' * (-len(text) % 8)
    return (struct.pack('<Q', len(text)) + text + data[8 + length :])[:MAX_INPUT]


def _mutate_json(rng: random.Random, content: object) -> None:
    """Change one value somewhere within."""
    place = content
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return
        key = rng.choice(keys)
        if not isinstance(place[key], (dict, list)) or not place[key] or rng.random() < 0.3:
            break
        place = place[key]
    kind = rng.randrange(4)
    if kind == 0:
        del place[key]
    elif kind == 1 and isinstance(place, list):
        place[key:key] = [place[key]] * rng.choice((1, 3, 1000))
    elif kind == 2:
        place[key] = rng.choice(
            (*INTERESTING, -1.5, 1e999, float('nan'), None, True, '', 'x' * 1000, [], {}, [[]], [1])
        )
    else:
        place[key] = place[rng.choice(keys)]


def outcome(target: Target, path: Path) -> str:
    """What a reader does with a file, in a word; raises what it must not raise."""
    from datasetgan_ext.core.errors import UserError

    try:
        target.read(path)
    except UserError as error:
        cause = error
        while cause is not None:
            if isinstance(cause, MemoryError) or 'allocate' in str(cause):
                raise MemoryError(f'{path}: {error.message}') from error
            cause = cause.__cause__ or cause.__context__
        return 'UserError'
    return 'read'


def cpu_seconds(process: int) -> float:
    """Seconds of a processor that a process has had."""
    try:
        fields = Path(f'/proc/{process}/stat').read_text().rpartition(')')[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def memory_now() -> int:
    """Bytes of addresses that this process has."""
    with open('/proc/self/statm') as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def _work(name: str, seed: int, folder: Path, report: multiprocessing.connection.Connection) -> None:
    """Try inputs for ever; the one at work is in the folder, so that it is there if this process is killed."""
    import logging

    import torch

    torch.set_num_threads(1)
    logging.disable(logging.CRITICAL)
    target = make_target(name)
    with contextlib.suppress(ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (memory_now() + BYTES, resource.RLIM_INFINITY))
    for data in target.corpus:  # what is imported at its first use is not an input's cost
        (folder / f'right{target.suffix}').write_bytes(data)
        outcome(target, folder / f'right{target.suffix}')
    rng = random.Random(seed)
    path = folder / f'input{target.suffix}'
    grown = list(target.corpus)
    while True:
        data = rng.choice(grown)
        mutate = target.mutate if target.mutate and rng.random() < 0.7 else mutate_bytes
        data = mutate(rng, data)
        if len(data) > MAX_INPUT:
            continue
        path.write_bytes(data)
        report.send(('start', ''))
        try:
            found = outcome(target, path)
        except BaseException as error:
            report.send(('wrong', f'{type(error).__name__}: {error}'))
            continue
        if rng.random() < 0.02 and len(data) < 2**16:
            grown.append(data)
            grown = grown[: len(target.corpus)] + grown[len(target.corpus) :][-200:]
        report.send((found, ''))


def make_target(name: str) -> Target:
    """The target of a name as --target takes it."""
    kind, _, argument = name.partition(':')
    if kind not in TARGETS:
        raise click.UsageError(f'--target={name} is none of {", ".join(TARGETS)}')
    return TARGETS[kind](argument)


def fuzz_by_mutations(name: str, seconds: float, seed: int, findings: Path) -> Counter:
    """Inputs at random for some seconds of a processor, in a process that is replaced when it hangs or dies."""
    counts: Counter = Counter()
    spawn = multiprocessing.get_context('spawn')
    spent = 0.0
    with tempfile.TemporaryDirectory() as folder:
        while spent < seconds:
            ours, theirs = spawn.Pipe(duplex=False)
            worker = spawn.Process(target=_work, args=(name, seed, Path(folder), theirs), daemon=True)
            worker.start()
            theirs.close()
            seed += 1
            patience = 120.0  # for its imports
            kind = ''
            cpu = imports = 0.0
            while spent + cpu - imports < seconds:
                wrong = ''
                try:
                    if not ours.poll(patience):
                        if kind == 'start' and cpu_seconds(worker.pid) - cpu < SECONDS:
                            continue  # the machine is busy with something else
                        kind, wrong = 'slow', f'more than {SECONDS} seconds'
                    else:
                        kind, wrong = ours.recv()
                except (EOFError, OSError):
                    kind, wrong = 'died', 'the process ended'
                if kind == 'start':
                    cpu = cpu_seconds(worker.pid)
                    imports = imports or cpu
                patience = SECONDS if kind == 'start' else 120.0
                if kind != 'start':
                    counts[kind] += 1
                if wrong:
                    _keep(Path(folder), findings, kind, wrong)
                if kind in ('slow', 'died'):
                    break
            spent += max(cpu_seconds(worker.pid), cpu) - imports
            worker.kill()
            worker.join()
    return counts


def _keep(folder: Path, findings: Path, kind: str, wrong: str) -> None:
    for path in folder.glob('input*'):
        data = path.read_bytes()
        findings.mkdir(parents=True, exist_ok=True)
        kept = findings / f'{kind}-{hashlib.sha256(data).hexdigest()[:16]}{path.suffix}'
        kept.write_bytes(data)
        click.echo(f'{kept}: {wrong[:300]}')


def fuzz_by_atheris(name: str, seconds: float, seed: int, findings: Path) -> None:
    """Inputs that libFuzzer chooses by the code that they reach. It ends the process when it has found one."""
    import logging

    import atheris

    logging.disable(logging.CRITICAL)
    folder = tempfile.mkdtemp()
    with atheris.instrument_imports(include=['datasetgan_ext']):
        target = make_target(name)
        path = Path(folder, f'input{target.suffix}')
        for data in target.corpus:  # some readers are imported at their first use
            path.write_bytes(data)
            outcome(target, path)
    findings.mkdir(parents=True, exist_ok=True)
    corpus = findings / 'corpus'
    corpus.mkdir(exist_ok=True)
    for index, data in enumerate(target.corpus):
        (corpus / f'right{index}').write_bytes(data)

    def one(data: bytes) -> None:
        path.write_bytes(data)
        outcome(target, path)

    def mutate(data: bytes, max_size: int, number: int) -> bytes:
        rng = random.Random(number)
        if target.mutate and rng.random() < 0.5:
            return target.mutate(rng, data)[:max_size]
        return atheris.Mutate(data, max_size)

    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024 + BYTES // 2**20 + EXTRA_OF_ATHERIS_MB
    options = [
        f'-max_total_time={int(seconds)}',
        f'-timeout={SECONDS}',
        f'-rss_limit_mb={memory_mb}',
        f'-max_len={MAX_INPUT}',
        f'-artifact_prefix={findings}/',
        f'-seed={seed}',
        '-print_final_stats=1',
        str(corpus),
    ]
    atheris.Setup([sys.argv[0], *options], one, custom_mutator=mutate)
    atheris.Fuzz()


@click.command(help=__doc__.partition('\n\n')[0])
@click.option('--target', required=True, help=f'{", ".join(TARGETS)}.')
@click.option(
    '--minutes',
    type=click.FloatRange(min=0, min_open=True),
    default=10,
    show_default=True,
    help='Of one processor; atheris counts them on the clock.',
)
@click.option('--seed', type=int, default=0, show_default=True)
@click.option('--findings', type=click.Path(path_type=Path), default=Path('findings'), show_default=True)
@click.option('--engine', type=click.Choice(['auto', 'atheris', 'mutations']), default='auto', show_default=True)
@click.option('--replay', type=click.Path(exists=True, dir_okay=False, path_type=Path), help='Try one file, and end.')
def main(target: str, minutes: float, seed: int, findings: Path, engine: str, replay: Path | None) -> None:
    """Fuzz one reader; the exit status is 1 if anything was found."""
    os.environ.setdefault('OMP_NUM_THREADS', '1')
    if replay:
        click.echo(outcome(make_target(target), replay))
        return
    if engine == 'atheris' or (engine == 'auto' and importlib.util.find_spec('atheris')):
        fuzz_by_atheris(target, 60 * minutes, seed, findings)
        return
    counts = fuzz_by_mutations(target, 60 * minutes, seed, findings)
    click.echo(', '.join(f'{kind}: {count}' for kind, count in counts.most_common()))
    sys.exit(1 if any(counts[kind] for kind in ('wrong', 'slow', 'died')) else 0)


if __name__ == '__main__':
    main()
