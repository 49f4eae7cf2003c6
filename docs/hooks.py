"""What MkDocs is told beside mkdocs.yml: pages of the repository that lie outside docs/, and the commands' help."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

import click
from mkdocs.structure.files import File

from datasetgan_ext.cli import SCRIPTS
from datasetgan_ext.cli import main as cli

ROOT = Path(__file__).resolve().parents[1]
ELSEWHERE = {
    'README.md': 'docs/index.md',
    'CHANGELOG.md': 'docs/changelog.md',
    'CONTRIBUTING.md': 'docs/contributing.md',
    'SECURITY.md': 'docs/security.md',
    'benchmarks/README.md': 'docs/measuring.md',
    'datasetgan_ext/demo/README.md': 'docs/demo.md',
    'patches/README.md': 'docs/patches.md',
}
"""Pages outside docs/, and where the site has them."""
LINK = re.compile(r'(\]\()(?!https?:|#|mailto:)([^)#\s]+)')
BAR = re.compile(r'`[^`]*`')
CODE = re.compile(r'(```.*?```|`[^`\n]*`)', flags=re.DOTALL)


def on_files(files, config):
    """Add the pages of ELSEWHERE."""
    for source, page in ELSEWHERE.items():
        name = posixpath.basename(page)
        if files.get_file_from_path(name) is None:
            text = (ROOT / source).read_text(encoding='utf-8')
            files.append(File.generated(config, name, content=with_links(text, source)))
    return files


def on_page_markdown(markdown, page, config, files):
    """Links to pages outside docs/ lead to where the site has them; commands.md gets the help of each command."""
    # GitHub wants a bar within code in a table escaped, MkDocs does not
    markdown = re.sub(
        r'^\|.*$', lambda row: BAR.sub(lambda code: code[0].replace(r'\|', '|'), row[0]), markdown, flags=re.M
    )
    if page.file.src_uri == 'commands.md':
        markdown += '\n'.join(help_of(verb) for verb in SCRIPTS)
    return markdown if page.file.generated_by else with_links(markdown, f'docs/{page.file.src_uri}')


def with_links(text: str, source: str) -> str:
    """A page's text with its links, which are right in the repository, as they are right in the site."""

    def moved(match: re.Match) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), match[2]))
        return match[1] + posixpath.relpath(ELSEWHERE.get(target, target), 'docs')

    parts = CODE.split(text)
    parts[::2] = [LINK.sub(moved, part) for part in parts[::2]]
    return ''.join(parts)


def help_of(verb: str) -> str:
    """A section with what `datasetgan VERB --help` prints."""
    command = cli.get_command(click.Context(cli), verb)
    context = click.Context(command, info_name=f'datasetgan {verb}', terminal_width=80, max_content_width=80)
    return f'\n## datasetgan {verb}\n\n```text\n{command.get_help(context)}\n```\n'
