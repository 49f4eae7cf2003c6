"""Command-line options that several commands share, in upstream's names."""

from __future__ import annotations

import errno
import io
import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from datasetgan_ext.core.choices import LABEL_FORMATS, LABELS_OF, MASK_VALUES, NOISE_MODES, SEGMENTATIONS, UNLABELED
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.seeds import parse_seeds

SHOWN_FAILURES = 10
"""Photos that could not be read, of which a command itself tells."""

log = logging.getLogger(__name__)


class Command(click.Command):
    """A command that ends with a UserError as with an error of click's: without a traceback, with status 1."""

    def make_context(self, info_name, args, parent=None, **extra):
        with self._errors_as_clicks():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx):
        # a folder's name may have bytes that are not UTF-8: no reason to fail where it is printed, at the very end
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors='backslashreplace')
        with self._errors_as_clicks():
            return super().invoke(ctx)

    @contextmanager
    def _errors_as_clicks(self) -> Iterator[None]:
        try:
            yield
        except UserError as error:
            raise click.ClickException(self.with_flags(error.message)) from error
        except OSError as error:
            if error.errno in (None, errno.EPIPE):
                raise
            # a disk or a network file system that fails where nothing else tells of it
            log.debug('An error of the system', exc_info=True)
            raise click.ClickException(
                f'{error.filename or "a file"} cannot be read or written: {error.strerror}. Once that is mended, give '
                'the same command again'
            ) from error

    def with_flags(self, text: str) -> str:
        """A message of the library, with this command's flags in place of the arguments' names: `trunc` -> --trunc."""
        flags = {}
        for param in self.params:
            for flag in (*param.opts, *param.secondary_opts):
                flags.setdefault(param.name, flag)
                flags[flag.lstrip('-').replace('-', '_')] = flag
        return re.sub('`([a-z_]+)`', lambda match: flags.get(match[1], match[0]), text)


class _Plain(logging.Formatter):
    """A message alone, with the flags of the command that runs."""

    def format(self, record):
        text = super().format(record)
        context = click.get_current_context(silent=True)
        return context.command.with_flags(text) if context and isinstance(context.command, Command) else text


class Seeds(click.ParamType):
    name = 'LIST'

    def convert(self, value, param, ctx):
        return parse_seeds(value, param.name) if isinstance(value, str) else value


class Size(click.ParamType):
    name = 'HxW'

    def convert(self, value, param, ctx):
        if not isinstance(value, str):
            return value
        match = re.fullmatch(r'([1-9]\d{0,8})x([1-9]\d{0,8})', value, flags=re.ASCII)
        if not match:
            raise UserError(f'{param.opts[0]}={value} is not HEIGHTxWIDTH in pixels; write for example 384x512')
        return int(match[1]), int(match[2])


class Device(click.ParamType):
    name = 'DEVICE'

    def convert(self, value, param, ctx):
        if not isinstance(value, str):
            return value
        import torch

        try:
            device = torch.device(value)
            if device.type not in ('cpu', 'cuda', 'mps'):
                raise RuntimeError("only CPUs, CUDA devices and Apple's GPUs are supported")
            if device.type == 'mps' and not torch.backends.mps.is_available():
                raise RuntimeError("this PyTorch finds no GPU of Apple's")
            torch.empty(0, device=device)
        except (RuntimeError, AssertionError) as error:
            raise UserError(
                f'--device={value} cannot be used: {str(error).splitlines()[0]}. Write cpu, cuda, cuda:N or mps'
            ) from error
        return device


class CountOrAll(click.ParamType):
    name = 'N|all'

    def convert(self, value, param, ctx):
        if not isinstance(value, str) or value == 'all':
            return value
        if not re.fullmatch(r'[1-9]\d{0,8}', value, flags=re.ASCII):
            raise UserError(f'{param.opts[0]}={value} is neither a whole number above 0 nor "all"')
        return int(value)


class ClassPixels(click.ParamType):
    name = 'CLASS=N'

    def convert(self, value, param, ctx):
        if not isinstance(value, str):
            return value
        name, _, number = value.rpartition('=')
        if not name or not re.fullmatch(r'[1-9]\d{0,8}', number, flags=re.ASCII):
            raise UserError(f'{param.opts[0]}={value} is not CLASS=N; write for example {param.opts[0]}=wheel=20')
        return name, int(number)


class ClassShare(click.ParamType):
    name = 'CLASS=SHARE'

    def convert(self, value, param, ctx):
        if not isinstance(value, str):
            return value
        name, _, number = value.rpartition('=')
        try:
            share = float(number)
        except ValueError:
            share = 0
        if not name or not 0 < share <= 1:
            raise UserError(
                f'{param.opts[0]}={value} is not CLASS=SHARE, a share above 0 and at most 1; write for example '
                f'{param.opts[0]}=wheel=0.2'
            )
        return name, share


class MaskValues(click.ParamType):
    name = '|'.join(MASK_VALUES)

    def convert(self, value, param, ctx):
        value = 'color' if value == 'colour' else value
        if value not in MASK_VALUES:
            raise UserError(f'{param.opts[0]}={value} is none of {", ".join(MASK_VALUES)}')
        return value


def check_share(ctx, param, share):
    """Callback of an option that takes a share of what there is, but not none."""
    if share is not None and not 0 < share <= 1:
        raise UserError(f'{param.opts[0]}={share} is not a share; give a number above 0 and at most 1')
    return share


def joined(*options):
    """One decorator out of several, in the order of the help text."""

    def decorate(command):
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


photos_option = click.option(
    '--images',
    type=click.Path(path_type=Path),
    multiple=True,
    metavar='DIR|FILE',
    required=True,
    help='Photos of any size: a folder, with those below it, or a file; may be given several times',
)
network_option = click.option(
    '--network',
    metavar='PKL|URL|demo',
    required=True,
    help='Trained generator: a .pkl of upstream\'s train.py or of NVIDIA, its URL, or "demo"',
)
loading_options = joined(
    click.option('--device', type=Device(), help='Where to compute  [default: the first GPU, or the CPU]'),
    click.option(
        '--allow-pickle-code',
        is_flag=True,
        help="Let upstream's loader run the code inside the pickle; only for files that you trust",
    ),
    click.option(
        '--upstream',
        type=click.Path(path_type=Path),
        metavar='DIR',
        help="Checkout of NVIDIA's code: StyleGAN3's for its networks  "
        '[default: $DATASETGAN_UPSTREAM, or the submodule]',
    ),
)
network_options = joined(network_option, loading_options)


def sampling_options(trunc: str, cutoff: str, noise_mode: str):
    """The options that decide an image; the arguments say in words what each one's default is."""
    return joined(
        click.option('--trunc', type=float, help=f'Truncation psi  [default: {trunc}]'),
        click.option(
            '--trunc-cutoff',
            type=click.IntRange(min=0),
            metavar='N',
            help=f'Truncate the first N w vectors only  [default: {cutoff}]',
        ),
        click.option(
            '--noise-mode',
            type=click.Choice(NOISE_MODES),
            help=f'Noise of the synthesis layers  [default: {noise_mode}]',
        ),
        click.option('--class', 'class_idx', type=int, metavar='INT', help='Class of a class-conditional network'),
    )


def label_options(default: str = '', multiple: bool = False):
    """The options that say where hand labels are.

    Args:
        default: in words, what it is.
        multiple: whether --labels and --keypoints may be given several times.
    """
    return joined(
        click.option(
            '--labels',
            metavar='DIR|FILE',
            multiple=multiple,
            help='Hand labels: a folder of masks, or what a labelling tool '
            f'exports; with keypoints in it, if it has any{default}',
        ),
        click.option(
            '--keypoints',
            metavar='FILE|DIR',
            multiple=multiple,
            help='Keypoints, where --labels holds none: a file of COCO, '
            f'CVAT or Label Studio, or a folder of LabelMe files{default}',
        ),
        click.option(
            '--label-format',
            type=click.Choice(['auto', *LABEL_FORMATS]),
            default='auto',
            show_default=True,
            help='Format of --labels; auto recognises it by its content',
        ),
        click.option(
            '--mask-values',
            type=MaskValues(),
            default=MASK_VALUES[0],
            show_default=True,
            help='What the pixels of PNG masks are: index, class ids; color, colours of the palette in --classes; auto '
            'finds out, and refuses what could be both',
        ),
        click.option(
            '--unlabeled',
            '--unlabelled',
            type=click.Choice(UNLABELED),
            default='background',
            show_default=True,
            help='What pixels are that no shape covers: the first class, or left out of training and scores',
        ),
        click.option(
            '--labels-of',
            type=click.Choice(LABELS_OF),
            default=LABELS_OF[0],
            show_default=True,
            help='With --samples of datasetgan project: whether whole photos were labelled, or the samples cut out of '
            'them; auto tells by the size',
        ),
    )


def check_val(ctx, param, val):
    """Callback of an option that takes a share to set apart, which may be none but not all."""
    if not 0 <= val < 1:
        raise UserError(f'--val={val} is not a share; give a number from 0 to below 1, for example 0.1')
    return val


conversion_options = joined(
    click.option(
        '--val',
        type=float,
        default=0.1,
        show_default=True,
        metavar='SHARE',
        callback=check_val,
        help='Share of the images that is set apart for validation, in formats other than folder',
    ),
    click.option(
        '--shard-size',
        type=click.IntRange(min=1),
        default=1000,
        show_default=True,
        metavar='N',
        help='Images in each tar of a WebDataset',
    ),
    click.option(
        '--segmentation',
        type=click.Choice(SEGMENTATIONS),
        default=SEGMENTATIONS[0],
        show_default=True,
        help="Of COCO's objects: polygons along the pixels' edges, or run lengths",
    ),
)


def seeds_option(**settings):
    return click.option('--seeds', type=Seeds(), help='Seeds, for example 0-99 or 1,4-6', **settings)


executor_options = joined(
    click.option(
        '--workers',
        type=click.IntRange(min=1),
        metavar='N',
        help='Processes that label at once  [default: one for each GPU; else one for each CPU core, up to 8, if '
        'there is enough to do]',
    ),
    click.option(
        '--ray',
        'ray_address',
        metavar='auto|ADDRESS',
        help='Label on a Ray cluster that is running, on all its GPUs or --workers of them; see docs/ray.md',
    ),
    click.option(
        '--lost-after',
        type=click.FloatRange(min=0, min_open=True),
        default=30,
        show_default=True,
        metavar='MINUTES',
        help='A worker that has not answered for so long is replaced, and its batch done again',
    ),
)


allow_failures_option = click.option(
    '--allow-failures', is_flag=True, help='End with status 0 even if some photos could not be read'
)


def tell_failures(failures: list[dict], path: Path, done: str, allowed: bool) -> None:
    """Tell of photos for which something could not be done.

    Args:
        failures: `file` and `reason` of each.
        path: the file that lists them all.
        done: what could not be done, such as 'read'.
        allowed: whether it is no error.

    Raises:
        UserError: there are some, and that is not allowed.
    """
    if not failures:
        return
    lines = [f'{failure["file"]}: {failure["reason"]}' for failure in failures[:SHOWN_FAILURES]]
    if len(failures) > SHOWN_FAILURES:
        lines.append(f'... and {len(failures) - SHOWN_FAILURES} more')
    listed = ''.join(f'\n  {line}' for line in lines)
    message = f'{len(failures)} photos could not be {done} ({path}):{listed}'
    if not allowed:
        raise UserError(
            f'{message}\nMend them, each under its name, and give the same command again, or give --allow-failures'
        )
    print(message)


def start_logging() -> None:
    """Messages of the library go to stderr, as plain lines; of other libraries, warnings alone."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Plain())
    logging.basicConfig(handlers=[handler])
    logging.getLogger('datasetgan_ext').setLevel(logging.INFO)
