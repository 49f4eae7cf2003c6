"""Where samples are made: the devices of the workers, and the executor that has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from datasetgan_ext.generation.cluster import Cluster, Machines
from datasetgan_ext.generation.executors import Executor, MakerSpec, SampleMaker, ThisProcess
from datasetgan_ext.generation.workers import Processes

MOST_CPU_WORKERS = 8


def worker_devices(device: torch.device | None, workers: int | None, most: int) -> list[torch.device | str | None]:
    """The device of each worker. On a CPU each computes in one thread.

    Args:
        device: where to compute; None = all GPUs or, without any, the CPU.
        workers: how many; None = one for each GPU; on a CPU one for each core, MOST_CPU_WORKERS at most.
        most: number of workers on a CPU that have enough to do, if `workers` does not say it.
    """
    gpus = torch.cuda.device_count()
    if device is None and gpus:
        return [f'cuda:{index % gpus}' for index in range(workers or gpus)]
    if device is None or device.type == 'cpu':
        workers = workers or min(torch.get_num_threads(), MOST_CPU_WORKERS, max(1, most))
    return [device] * (workers or 1)


def choose_executor(
    maker: SampleMaker,
    spec: MakerSpec,
    machines: Machines | None,
    devices: Sequence[torch.device | str | None],
    lost_after_s: float,
) -> Executor:
    """A cluster if there is one, as many processes as there are devices, or this process.

    Args:
        maker: makes samples in this process.
        spec: how to make the same elsewhere.
        machines: of a Ray cluster; None = there is none.
        devices: see `worker_devices`.
        lost_after_s: seconds without an answer after which a worker is replaced.
    """
    if machines is not None:
        return Cluster(machines, spec, lost_after_s)
    if len(devices) > 1:
        return Processes([replace(spec, device=device) for device in devices], lost_after_s)
    return ThisProcess(maker)
