"""Labelled photos without projecting them: LAGM's gradient matching (ICLR 2022, arXiv 2211.03003) on the demo.

python benchmarks/gradient_matching.py    # half an hour of one CPU core

An annotator labels generated images from the generator's features. It learns so that a segmenter gets the same gradient
from them as from labelled drawings, which nobody projects. It is scored on the demo's held-out generated samples, as
`projection.py` scores interpreters. Nothing is taken from the released code. It was
written from what the abstract and reviews tell of the algorithm: networks and constants are not the paper's.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

import click
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.measure import one_thread_each, write_result
from benchmarks.projection import GENERATED, HELD_OUT, TUNED_ON
from datasetgan_ext import load_generator
from datasetgan_ext.core.images import open_image
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats.mask_folder import read_mask_folder
from datasetgan_ext.generator.checkpoint import DEMO, DEMO_FOLDER
from datasetgan_ext.generator.generator import default_device
from datasetgan_ext.generator.samples import SampleSet
from datasetgan_ext.metrics.segmentation import SegmentationScore

POOL = range(100_000, 100_192)
"""Seeds of the generated images that are labelled while learning; no other part of the demo has them."""
CHOSEN_ON = range(3000, 3050)
"""Seeds of demo/more: every setting was chosen on them, never on the held-out samples."""
CHUNK = 8
AVERAGED = 4


@dataclass(frozen=True)
class Settings:
    """How an annotator learns.

    Attributes:
        method: 'matching', or what it is compared with: 'generated' = cross-entropy to the true masks of generated
            images; 'distilled' = cross-entropy to what a segmenter says that learned from the drawings alone.
        labels: labelled drawings; of 'generated', labelled generated images.
        steps: of the annotator.
        batch: images of either kind in a step.
        lr: of the annotator, with Adam; it falls to nothing by a cosine.
        segmenter: the annotator is matched for a segmenter that 'alternates', learning a step from generated images
            with the annotator's labels after each of its steps, as in the paper; or for those 'kept', from several
            trainings on the drawings alone, one drawn at random in each step.
        segmenter_lr: with Adam.
        restart: of one that alternates: steps after which it begins anew.
        kept_at: of those kept: after how many steps of their training.
        trainings: of those kept, how many.
        distance: of the gradients: 'layers' = 1 - cosine for each parameter, their mean; 'whole' = 1 - cosine of all
            parameters together; 'squares' = logarithm of the squared difference divided by the squared length
            of the drawings' gradient.
        warm: steps of distilling before the matching.
        balance: a class has the weight of its share of the labelled pixels to the power of minus this.
        seed: of every random choice.
    """

    method: str = 'matching'
    labels: int = 16
    steps: int = 400
    batch: int = 8
    lr: float = 1e-3
    segmenter: str = 'kept'
    segmenter_lr: float = 2e-3
    restart: int = 50
    kept_at: tuple[int, ...] = (0, 10, 30, 60, 100, 150, 200)
    trainings: int = 2
    distance: str = 'squares'
    warm: int = 0
    balance: float = 0.5
    seed: int = 0


class Segmenter(nn.Module):
    """A small U-Net at half the size: images float [N, 3, H, W] in -1..1 to class logits [N, K, H / 2, W / 2]; H and W
    are multiples of 32."""

    WIDTHS = (24, 48, 64, 64)

    def __init__(self, class_count: int):
        super().__init__()
        widths = self.WIDTHS
        self.stem = nn.Conv2d(3, widths[0], 4, stride=2, padding=1)
        self.down = nn.ModuleList(_block(before, after) for before, after in zip((widths[0], *widths), widths))
        self.narrow = nn.ModuleList(nn.Conv2d(after, before, 1) for before, after in zip(widths, widths[1:]))
        self.up = nn.ModuleList(_block(width, width) for width in widths[:-1])
        self.head = nn.Conv2d(widths[0], 4 * class_count, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x, skips = F.relu(self.stem(F.avg_pool2d(images, 2))), []
        for index, block in enumerate(self.down):
            x = block(F.avg_pool2d(x, 2) if index else x)
            skips.append(x)
        for skip, narrow, block in zip(skips[-2::-1], reversed(self.narrow), reversed(self.up)):
            x = block(skip + F.interpolate(narrow(x), scale_factor=2.0, mode='bilinear'))
        return F.pixel_shuffle(self.head(x), 2)


class Annotator(nn.Module):
    """The generator's maps, standardised, one [N, C_l, h_l, w_l] a layer, to class logits [N, K, H, W].

    The layers' linear parts are summed at each size and interpolated to the next, which is a linear layer on the
    hypercolumn; then comes a hidden layer of a pixel. At first all classes are equally likely.
    """

    def __init__(self, layers: Sequence, class_count: int, width: int = 32):
        super().__init__()
        self.linear = nn.ModuleList(nn.Conv2d(layer.channels, width, 1) for layer in layers)
        self.head = nn.Sequential(
            nn.LeakyReLU(0.2), nn.Conv2d(width, width, 1), nn.LeakyReLU(0.2), nn.Conv2d(width, class_count, 1)
        )
        nn.init.zeros_(self.head[-1].weight)
        nn.init.zeros_(self.head[-1].bias)

    def forward(self, features: Sequence[torch.Tensor]) -> torch.Tensor:
        total = 0.0
        for maps, linear in zip(features, self.linear):
            if isinstance(total, torch.Tensor) and total.shape[2] != maps.shape[2]:
                total = F.interpolate(total, maps.shape[2:], mode='bilinear')
            total = total + linear(maps)
        return self.head(total / len(features) ** 0.5)


def _block(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, 3, padding=1), nn.GroupNorm(8, after), nn.ReLU())


class Demo:
    """The demo's drawings with their masks; its generated images, true masks of some, and features of all.

    Attributes:
        drawings: float32 [N, 3, H, W] in -1..1, those beyond the first `TUNED_ON`; `masks`: int64 [N, H, W].
        pool: generated images, float32 [P, 3, H, W]. Their maps are averaged to half the image's size, that of the
            segmenter's labels.
    """

    def __init__(self) -> None:
        self.generator = load_generator(DEMO)
        self.samples = SampleSet.read(DEMO_FOLDER / 'samples')
        self.task = Task.read(DEMO_FOLDER / 'task.json').only(classes=True, keypoints=False)
        read = read_mask_folder(DEMO_FOLDER / 'real' / 'masks', self.task)
        read = sorted(read, key=lambda one: one.name)[TUNED_ON:]
        self.masks = torch.from_numpy(np.stack([one.mask for one in read])).long().to(self.generator.device)
        pictures = []
        for one in read:
            with open_image(DEMO_FOLDER / 'real' / 'images' / f'{one.name}.png') as image:
                pictures.append(np.array(image.convert('RGB')))
        self.drawings = to_input(torch.from_numpy(np.stack(pictures)).to(self.generator.device))
        self.true_masks = {}
        for folder in ('samples', 'more'):
            for one in read_mask_folder(DEMO_FOLDER / folder / 'masks', self.task):
                self.true_masks[int(one.name.removeprefix('seed'))] = one.mask
        self.scales: list[tuple[torch.Tensor, torch.Tensor]] = []
        self.pool, features = self._made(POOL)
        for maps in features:
            mean = maps.float().mean(dim=(0, 2, 3), keepdim=True)
            self.scales.append((mean, maps.float().std(dim=(0, 2, 3), keepdim=True).clamp(min=1e-6)))
        side = self.pool.shape[2] // 2
        self._features = [F.avg_pool2d(maps.float(), 2).half() if maps.shape[2] > side else maps for maps in features]
        self._kept: dict[range, tuple[torch.Tensor, list[torch.Tensor]]] = {}

    def _made(self, seeds: Sequence[int]) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Images, and maps in half precision."""
        images, features = [], []
        for start in range(0, len(seeds), CHUNK):
            found = self.generator.synthesize(seeds[start : start + CHUNK], self.samples.options)
            images.append(to_input(found.images))
            features.append([maps.half() for maps in found.features])
        return torch.cat(images), [torch.cat(parts) for parts in zip(*features)]

    def standardized(self, features: Sequence[torch.Tensor], chosen: torch.Tensor) -> list[torch.Tensor]:
        return [(maps[chosen].float() - mean) / std for maps, (mean, std) in zip(features, self.scales)]

    def pool_features(self, chosen: torch.Tensor) -> list[torch.Tensor]:
        return self.standardized(self._features, chosen)

    def labeled_generated(self, count: int) -> tuple[torch.Tensor, list[torch.Tensor], torch.Tensor]:
        seeds = GENERATED[:count]
        masks = torch.from_numpy(np.stack([self.true_masks[seed] for seed in seeds])).long().to(self.generator.device)
        return *self.made(seeds), masks

    def made(self, seeds: range) -> tuple[torch.Tensor, list[torch.Tensor]]:
        if seeds not in self._kept:
            self._kept[seeds] = self._made(seeds)
        return self._kept[seeds]

    @torch.no_grad()
    def score(self, network: nn.Module, seeds: range) -> SegmentationScore:
        """Of an annotator by its features, or of a segmenter by its images."""
        images, features = self.made(seeds)
        score = SegmentationScore(len(self.task.classes))
        for chosen in torch.arange(len(seeds)).split(CHUNK):
            seen = images[chosen] if isinstance(network, Segmenter) else self.standardized(features, chosen)
            logits = F.interpolate(network(seen), images.shape[2:], mode='bilinear')
            for place, mask in zip(chosen.tolist(), logits.argmax(dim=1).byte().cpu().numpy()):
                score.add(self.true_masks[seeds[place]], mask)
        return score


def to_input(images: torch.Tensor) -> torch.Tensor:
    return images.permute(0, 3, 1, 2).float() / 127.5 - 1


def augmented(images: torch.Tensor, masks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Each image moved, enlarged and recoloured a little; the batch blurred, as generated images are."""
    count = len(images)
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = 0.8 + 0.25 * torch.rand(count)
    theta[:, :, 2] = 0.3 * (torch.rand(count, 2) - 0.5)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    images = F.grid_sample(images, grid, mode='bilinear', padding_mode='border', align_corners=False)
    masks = F.grid_sample(masks[:, None].float(), grid, mode='nearest', padding_mode='border', align_corners=False)
    images = images * (0.85 + 0.3 * torch.rand(count, 3, 1, 1)) + 0.2 * (torch.rand(count, 3, 1, 1) - 0.5)
    sigma = 0.2 + 0.8 * float(torch.rand(()))
    taps = torch.exp(-0.5 * (torch.arange(-2.0, 3) / sigma) ** 2)
    taps = (taps / taps.sum()).expand(3, 1, 1, 5)
    images = F.conv2d(F.pad(images, (2, 2, 0, 0), 'replicate'), taps, groups=3)
    images = F.conv2d(F.pad(images, (0, 0, 2, 2), 'replicate'), taps.transpose(2, 3), groups=3)
    return images.clamp(-1, 1), masks[:, 0].long()


def distance(got: Sequence[torch.Tensor], wanted: Sequence[torch.Tensor], kind: str) -> torch.Tensor:
    """Between two gradients, given as one tensor for each parameter; see `Settings.distance`."""
    got, wanted = [part.flatten() for part in got], [part.flatten() for part in wanted]
    if kind != 'layers':
        got, wanted = [torch.cat(got)], [torch.cat(wanted)]
    if kind == 'squares':
        return ((got[0] - wanted[0]).square().sum() / wanted[0].square().sum()).log()
    return 1 - torch.stack([F.cosine_similarity(left, right, dim=0) for left, right in zip(got, wanted)]).mean()


_KEPT: dict[tuple, list] = {}


def _kept_segmenters(learning: Learning) -> list[tuple[Segmenter, list[torch.Tensor]]]:
    """Those of equal settings are trained once."""
    settings = learning.settings
    key = (settings.labels, settings.batch, settings.seed, settings.balance, settings.kept_at, settings.trainings)
    if key not in _KEPT:
        _KEPT[key] = learning.keep_segmenters()
    return _KEPT[key]


class Learning:
    """One annotator that learns; `segmenter` is the one it is matched for, or learns from."""

    def __init__(self, demo: Demo, settings: Settings):
        self.demo, self.settings = demo, settings
        torch.manual_seed(settings.seed)
        self.annotator = Annotator(demo.generator.layers, len(demo.task.classes))
        self.images, self.masks = demo.drawings[: settings.labels], demo.masks[: settings.labels]
        shares = torch.bincount(self.masks.flatten(), minlength=len(demo.task.classes)) / self.masks.numel()
        weights = shares.clamp(min=1e-4) ** -settings.balance
        self.weights = weights / (weights * shares).sum()
        self.kept: list[tuple[Segmenter, list[torch.Tensor]]] = []
        self._begin_segmenter()
        if settings.method != 'generated' and (settings.segmenter == 'kept' or settings.warm):
            self.kept = _kept_segmenters(self)

    def _begin_segmenter(self) -> None:
        self.segmenter = Segmenter(len(self.demo.task.classes))
        self.optimizer = torch.optim.Adam(self.segmenter.parameters(), lr=self.settings.segmenter_lr)

    def keep_segmenters(self) -> list[tuple[Segmenter, list[torch.Tensor]]]:
        """Those that learn from the drawings, each with its gradient from `AVERAGED` batches of them."""
        kept = []
        for _ in range(self.settings.trainings):
            self._begin_segmenter()
            for step in range(max(self.settings.kept_at) + 1):
                if step in self.settings.kept_at:
                    parts = [self._labeled_gradients() for _ in range(AVERAGED)]
                    kept.append((deepcopy(self.segmenter), [torch.stack(part).mean(dim=0) for part in zip(*parts)]))
                self._update_segmenter(self._labeled_gradients())
        return kept

    def _update_segmenter(self, gradients: Sequence[torch.Tensor]) -> None:
        for parameter, gradient in zip(self.segmenter.parameters(), gradients):
            parameter.grad = gradient.detach()
        self.optimizer.step()

    def _labeled_gradients(self) -> tuple[torch.Tensor, ...]:
        return torch.autograd.grad(self._labeled_loss(), list(self.segmenter.parameters()))

    def _labeled_loss(self) -> torch.Tensor:
        chosen = torch.randint(len(self.images), (self.settings.batch,))
        images, masks = augmented(self.images[chosen], self.masks[chosen])
        return self._loss(images, F.one_hot(masks, len(self.weights)).permute(0, 3, 1, 2).float())

    def _generated_loss(self, labels: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        return self._loss(self.demo.pool[chosen], labels)

    def _loss(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Cross-entropy of the segmenter at half the size, to soft labels, float [N, K, H, W]."""
        said = self.segmenter(images).log_softmax(dim=1)
        return -(F.adaptive_avg_pool2d(labels, said.shape[2:]) * said * self.weights[:, None, None]).sum(dim=1).mean()

    def _generated_gradients(self, chosen: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The segmenter's from generated images with the annotator's labels, on which they depend."""
        labels = self.annotator(self.demo.pool_features(chosen)).softmax(dim=1)
        loss = self._generated_loss(labels, chosen)
        return torch.autograd.grad(loss, list(self.segmenter.parameters()), create_graph=True)

    def _matching(self) -> Iterator[torch.Tensor]:
        settings = self.settings
        for step in range(settings.steps):
            chosen = torch.randint(len(self.demo.pool), (settings.batch,))
            if settings.segmenter == 'kept':
                self.segmenter, wanted = self.kept[int(torch.randint(len(self.kept), ()))]
                yield distance(self._generated_gradients(chosen), wanted, settings.distance)
                continue
            if step % settings.restart == 0:
                self._begin_segmenter()
            got = self._generated_gradients(chosen)
            yield distance(got, self._labeled_gradients(), settings.distance)
            self._update_segmenter(got)

    def _distilling(self, steps: int) -> Iterator[torch.Tensor]:
        teachers = [
            segmenter for segmenter, _ in self.kept[len(self.settings.kept_at) - 1 :: len(self.settings.kept_at)]
        ]
        for _ in range(steps):
            chosen = torch.randint(len(self.demo.pool), (self.settings.batch,))
            with torch.no_grad():
                labels = sum(one(self.demo.pool[chosen]).softmax(dim=1) for one in teachers) / len(teachers)
            said = self.annotator(self.demo.pool_features(chosen))
            yield F.cross_entropy(said, labels)

    def _of_true_masks(self) -> Iterator[torch.Tensor]:
        _, features, masks = self.demo.labeled_generated(self.settings.labels)
        for _ in range(self.settings.steps):
            chosen = torch.randint(len(masks), (self.settings.batch,))
            said = self.annotator(self.demo.standardized(features, chosen))
            yield F.cross_entropy(said, masks[chosen], weight=self.weights, reduction='none').mean()

    def _losses(self) -> Iterator[torch.Tensor]:
        """What each step of the annotator lessens."""
        if self.settings.method == 'generated':
            yield from self._of_true_masks()
        elif self.settings.method == 'distilled':
            yield from self._distilling(self.settings.steps)
        else:
            yield from self._distilling(self.settings.warm)
            yield from self._matching()

    def run(self, each: int | None = None) -> dict:
        """mIoU of the annotator, and of the last segmenter; `each` so many steps that on `CHOSEN_ON` is printed."""
        started = time.process_time()
        optimizer = torch.optim.Adam(self.annotator.parameters(), lr=self.settings.lr, betas=(0.9, 0.99))
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.settings.steps + self.settings.warm)
        losses, parameters = [], list(self.annotator.parameters())
        for step, loss in enumerate(self._losses(), 1):
            for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters)):
                parameter.grad = gradient
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
            if each and step % each == 0:
                score = self.demo.score(self.annotator, CHOSEN_ON).mean_iou
                took = time.process_time() - started
                print(f'  {step}: loss {statistics.mean(losses[-each:]):.3f}, {score:.4f}, {took:.0f} s', flush=True)
        heldout = self.demo.score(self.annotator, HELD_OUT)
        return {
            'mean_iou': heldout.mean_iou,
            'iou': heldout.to_json(self.demo.task.classes)['iou'],
            'chosen_on': self.demo.score(self.annotator, CHOSEN_ON).mean_iou,
            'segmenter': self.demo.score(self.kept[-1][0], HELD_OUT).mean_iou if self.kept else None,
            'last_loss': statistics.mean(losses[-50:]),
            'cpu_seconds': time.process_time() - started,
        }


KEPT_AT = (0, 10, 30, 60, 100, 200, 400)
MATCHED = Settings(distance='layers', steps=240, lr=2e-3, kept_at=KEPT_AT, trainings=1)
ROWS = {
    'gradient matching, kept segmenters': MATCHED,
    'gradient matching, alternating': replace(MATCHED, segmenter='alternates'),
    'distilled': replace(MATCHED, method='distilled', lr=3e-3),
    'distilled, then gradient matching': replace(MATCHED, warm=240, steps=120, lr=3e-3),
    '16 generated images': Settings(method='generated', steps=150, lr=3e-3, batch=4),
}


def run_one(title: str, seed: int, times: int) -> dict:
    """A row with one seed, in a process of its own."""
    torch.set_default_device(default_device())
    settings = ROWS[title]
    settings = replace(settings, seed=seed, steps=times * settings.steps, warm=times * settings.warm)
    run = {'seed': seed, **Learning(Demo(), settings).run(60 * times)}
    print(seed, title, {name: run[name] for name in ('mean_iou', 'chosen_on', 'segmenter')}, flush=True)
    return run


@click.command(help=__doc__)
@click.option('--seeds', type=click.IntRange(min=1), default=3, show_default=True)
@click.option('--times', type=click.IntRange(min=1), default=1, show_default=True, help='As many steps, for a GPU')
@click.option('--processes', type=int, help='At a time  [default: as many as there are cores]')
def main(seeds, times, processes):
    content = {'scored_on': list(HELD_OUT), 'chosen_on': list(CHOSEN_ON), 'times': times, 'rows': {}}
    for title, settings in ROWS.items():
        content['rows'][title] = {'settings': asdict(settings), 'runs': []}
    with one_thread_each(processes) as pool:
        found = {(title, seed): pool.submit(run_one, title, seed, times) for seed in range(seeds) for title in ROWS}
        for (title, _), run in found.items():
            content['rows'][title]['runs'].append(run.result())
            whole = all(len(row['runs']) == seeds for row in content['rows'].values())
            write_result('gradient_matching', content, complete=whole)


if __name__ == '__main__':
    main()
