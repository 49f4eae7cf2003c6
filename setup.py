"""What setup.cfg cannot say: the patches go into the wheel, and README's links become addresses for PyPI."""

import os
import re
import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent


class BuildWithPatches(build_py):
    """`datasetgan patch-upstream` works from a wheel too, on any clone of upstream."""

    def run(self):
        super().run()
        if not self.editable_mode:
            folder = Path(self.build_lib, 'datasetgan_ext', 'patches')
            folder.mkdir(parents=True, exist_ok=True)
            for path in sorted((ROOT / 'patches').glob('*.ed')):
                shutil.copyfile(path, folder / path.name)


def links_of_github() -> dict:
    """Metadata with the repository's address, which GitHub Actions knows; a clone does not say whose it is."""
    repository = os.environ.get('GITHUB_REPOSITORY')
    if not repository:
        return {}
    url = f'https://github.com/{repository}'
    commit = os.environ.get('GITHUB_SHA', 'HEAD')
    text = (ROOT / 'README.md').read_text(encoding='utf-8')
    text = re.sub(
        r'(!\[[^\]]*\]\()(?!https?:|#)', rf'\g<1>https://raw.githubusercontent.com/{repository}/{commit}/', text
    )
    text = re.sub(r'(\]\()(?!https?:|#)', rf'\g<1>{url}/blob/{commit}/', text)
    return {
        'url': url,
        'project_urls': {'Source': url, 'Issues': f'{url}/issues', 'Changelog': f'{url}/blob/{commit}/CHANGELOG.md'},
        'long_description': text,
    }


setup(cmdclass={'build_py': BuildWithPatches}, **links_of_github())
