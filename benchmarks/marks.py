"""What pages say of a result beside its figures: of which commit it is, and whether that still holds."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path

from benchmarks.catalog import OF_RESULT, Benchmark, benchmark_of
from benchmarks.states import BEFORE, CHANGED, NOW, OTHER, Code, compare, state_of

PART = 'part'
"""Of the code and networks of now, but stopped before all of it was measured."""
WORDS = {
    NOW: 'yes',
    PART: 'yes, but not all of it was measured',
    CHANGED: 'no, code has changed',
    OTHER: 'no, the demo has changed',
    BEFORE: 'unknown',
}
SINCE = {
    PART: 'not all of it',
    CHANGED: 'and code that decides it has changed',
    BEFORE: 'before results noted their code and networks',
}


class Marks:
    """Of all results in a folder.

    Attributes:
        results: name to content.
    """

    def __init__(self, folder: Path, code: Code | None = None):
        self.results = {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob('*.json'))}
        self._given = code

    @cached_property
    def _code(self) -> Code:
        return self._given or Code()

    def state(self, name: str, benchmark: Benchmark | None = None) -> tuple[str, list[str]]:
        """See `states.compare`; `PART` too. The benchmark is that of the catalog unless told."""
        content = self.results[name]
        state, differs = compare(content.get('state'), state_of(benchmark or benchmark_of(name), self._code))
        return (PART if state == NOW and not content['run']['complete'] else state), differs

    def note(self, name: str) -> str:
        """The line below a table, or in its place where nothing was measured, in Markdown; empty where there is nothing
        to say."""
        benchmark = benchmark_of(name)
        if name not in self.results:
            return f'*Not measured yet: `{benchmark.command}`.*'
        (state, _), content = self.state(name), self.results[name]
        commit = f'commit {content["versions"]["commit"]}'
        if benchmark.gpu:
            since = '' if state in (NOW, PART) else '; the code has changed since then'
            return f'*On an {content["machine"]["gpu"]}, at {commit}{since}.*'
        if state == NOW:
            return ''
        return f'*Measured at {commit}, {SINCE[state]}; anew: `{benchmark.command}`.*'

    def why_refused(self, name: str) -> str | None:
        """What to do where a result is of another interpreter or generator than the demo's of now; one that a GPU
        measured is marked in place of that, since few have one."""
        benchmark = benchmark_of(name)
        if name not in self.results or benchmark.gpu:
            return None
        state, differs = self.state(name)
        if state != OTHER:
            return None
        return f'{name}.json is of another state ({", ".join(differs)}); anew: `{benchmark.command}`'

    def table(self) -> str:
        """All results, and those that are lacking, in Markdown."""
        heads = ('result', 'of now', 'commit, day', 'took', 'machine, PyTorch', 'script')
        rows = [f'| {" | ".join(heads)} |', '|---' * len(heads) + '|']
        for name in sorted({*self.results, *OF_RESULT}):
            script = benchmark_of(name).command.removeprefix('python ').removeprefix('benchmarks/')
            rows.append(f'| {" | ".join([f"`{name}`", *self._cells(name), f"`{script}`"])} |')
        return '\n'.join(rows)

    def _cells(self, name: str) -> list[str]:
        if name not in self.results:
            return ['not measured', '', '', '']
        content, (state, _) = self.results[name], self.state(name)
        machine, versions, run = content['machine'], content['versions'], content.get('run')
        unseen = '; no GPU since' if benchmark_of(name).gpu and state not in (NOW, PART) else ''
        place = machine['gpu'] or f'{machine["processor"]}, {machine["cores"]} cores'
        return [
            WORDS[state] + unseen,
            ', '.join([versions['commit'], *([run['day']] if run else [])]),
            duration(run['seconds']) if run else '',
            f'{place}, {versions["torch"]}',
        ]


def duration(seconds: float) -> str:
    """'40 s', '12 min' or '2.5 h'."""
    if seconds < 100:
        return f'{seconds:.0f} s'
    return f'{seconds / 60:.0f} min' if seconds < 6000 else f'{seconds / 3600:.1f} h'
