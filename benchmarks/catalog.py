"""All results: which script writes them, and what decides them. This is the one place to enter a benchmark.

Of the rooms named here, the files decide that the script imports, directly or not; so do the benchmarks' own files that
it imports. Rooms that are not named, such as the report's for mIoU, change no figure. Comments and docstrings never do.
"""

from __future__ import annotations

from dataclasses import dataclass

ROOMS = ('core', 'formats', 'metrics', 'generator', 'interpreter', 'downstream', 'labeling', 'report', 'generation')
COMMANDS = 'commands'
"""The room of the files beside the folders."""
LABELS = ('core', 'formats', 'generator', 'interpreter')
SCORES = (*LABELS, 'metrics')
DATASETS = (*LABELS, 'generation', 'report', COMMANDS)
DOWNSTREAM = (*SCORES, 'downstream', 'generation', COMMANDS)
EVERYTHING = (*ROOMS, COMMANDS)

GENERATOR, INTERPRETER, HAND_LABELS = 'generator', 'interpreter', 'labels'
"""What of the demo a result depends on."""


@dataclass(frozen=True)
class Benchmark:
    """
    Attributes:
        name: of the stage.
        script: in benchmarks/.
        rooms: of datasetgan_ext, whose code decides the figures.
        demo: which of the demo's networks and labels do.
        results: names of the JSON files, if they are not just `name`.
        arguments: of the script, for the figures that are published.
        also: files that run as processes of their own, so that no import tells of them.
        after: the stage whose result this one takes up.
        needs: a module without which it is skipped.
        keeps: the option that takes a folder of what is done so far, so that it goes on there.
        shares: the name of such a folder that some benchmarks have together, because they train some of the same.
        gpu: the stage of gpu.sh that measures it.
    """

    name: str
    script: str
    rooms: tuple[str, ...] = EVERYTHING
    demo: tuple[str, ...] = (GENERATOR, INTERPRETER, HAND_LABELS)
    results: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    after: str | None = None
    needs: str | None = None
    keeps: str | None = None
    shares: str | None = None
    gpu: str | None = None

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the results."""
        return self.results or (self.name,)

    @property
    def command(self) -> str:
        """How to measure anew, as a person types it."""
        if self.gpu:
            return f'benchmarks/gpu.sh --stages={self.gpu}'
        return ' '.join(('python', f'benchmarks/{self.script}', *self.arguments))


def _table(name: str, **others) -> Benchmark:
    """A comparison of networks that people would train, in miniature."""
    arguments = ('--miniature',)
    return Benchmark(name, f'{name}.py', DOWNSTREAM, arguments=arguments, keeps='--work', shares='tables', **others)


def _gpu(stage: str, rooms: tuple[str, ...] = LABELS, also: tuple[str, ...] = (), **others) -> Benchmark:
    """A stage of gpu.sh; without the demo unless told."""
    name, also = f'gpu_{stage}', ('benchmarks/gpu_stages.py', *also)
    return Benchmark(name, 'gpu.py', rooms, **{'demo': (), **others}, also=also, gpu=stage)


TRAINED = (GENERATOR, HAND_LABELS)
SHIPPED = (GENERATOR, INTERPRETER)
GENERATE = 'datasetgan_ext/gen_dataset.py'
BENCHMARKS = (
    Benchmark('demo_generator', 'demo_generator.py', ('core', 'generator'), (GENERATOR,)),
    Benchmark('preset_cost', 'preset_cost.py', LABELS, (GENERATOR,)),
    Benchmark('writing', 'writing.py', (*LABELS, 'generation', 'report'), SHIPPED),
    Benchmark('scale', 'scale.py', ('core', 'formats', 'generation'), ()),
    Benchmark('suggestion_time', 'suggestion_time.py', (*LABELS, 'labeling'), ()),
    Benchmark('strokes', 'strokes.py', (*LABELS, 'labeling'), needs='playwright'),
    Benchmark('borders', 'borders.py', SCORES),
    Benchmark('in_domain', 'in_domain.py', DOWNSTREAM, (HAND_LABELS,)),
    Benchmark('demo_memory', 'demo_memory.py', DATASETS, SHIPPED, also=(GENERATE,)),
    Benchmark('plain_dataset', 'plain_dataset.py', DATASETS, SHIPPED, also=(GENERATE, 'benchmarks/plain_script.py')),
    Benchmark('demo_accuracy', 'demo_accuracy.py', SCORES, TRAINED),
    Benchmark('training', 'training.py', LABELS, ()),
    Benchmark('ray_overhead', 'ray_overhead.py', (*LABELS, 'generation'), SHIPPED, needs='ray'),
    Benchmark('inference', 'inference.py', LABELS, ()),
    Benchmark('demo_keypoints', 'demo_keypoints.py', SCORES, TRAINED),
    Benchmark('suggestions', 'suggestions.py', (*SCORES, 'labeling'), TRAINED, needs='matplotlib'),
    Benchmark('image_score', 'image_score.py', SCORES, TRAINED, keeps='--interpreters'),
    Benchmark('rare_classes', 'rare_classes.py', (*SCORES, 'generation')),
    Benchmark('selection', 'selection.py', (*SCORES, 'labeling'), arguments=('--runs=12',)),
    _table('table2'),
    _table('table1', needs='matplotlib'),
    _table('real_and_generated'),
    _table('ablation_datasets', needs='matplotlib'),
    _table('doubtful_pixels'),
    Benchmark(
        'few_labels', 'few_labels.py', SCORES, TRAINED, after='demo_accuracy', needs='matplotlib', keeps='--work'
    ),
    Benchmark('labelling', 'labelling.py', (*SCORES, 'labeling'), TRAINED, needs='matplotlib'),
    Benchmark('projection', 'projection.py', SCORES, TRAINED, keeps='--projected'),
    Benchmark('ablation_interpreters', 'ablation_interpreters.py', SCORES, TRAINED, needs='matplotlib', keeps='--work'),
    Benchmark('interpreter_trials', 'interpreter_trials.py', SCORES, TRAINED, keeps='--work'),
    _table('handsoff', results=('handsoff_classes', 'handsoff_keypoints')),
    _gpu(
        'plugins',
        ('generator',),
        also=('patches',),
        results=('gpu_plugins', 'gpu_plugins_stylegan3', 'gpu_summary'),
    ),
    _gpu('tests', also=('tests/generator', 'tests/interpreter')),
    _gpu('other_tests', EVERYTHING, demo=SHIPPED),
    _gpu('labels', demo=SHIPPED),
    _gpu('inference'),
    _gpu('training', (*LABELS, 'downstream', COMMANDS), also=('datasetgan_ext/train_downstream.py',)),
    _gpu('run', DATASETS, also=(GENERATE,)),
    _gpu('stylegan3'),
    _gpu('project', ('core', 'generator'), demo=TRAINED),
)
OF_RESULT = {result: benchmark for benchmark in BENCHMARKS for result in benchmark.files}


def benchmark_of(result: str) -> Benchmark:
    """The benchmark that writes a result; of one that is not entered, all code and the whole demo decide."""
    return OF_RESULT.get(result) or Benchmark(result, f'{result}.py')
