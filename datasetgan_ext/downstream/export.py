"""A trained network as a file that other programs run: ONNX."""

from __future__ import annotations

import json
import tempfile
import warnings
from contextlib import suppress
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from datasetgan_ext.core.errors import UserError, import_extra
from datasetgan_ext.core.files import write_atomically
from datasetgan_ext.core.task import Task
from datasetgan_ext.downstream.batches import MEAN, STD
from datasetgan_ext.downstream.model import HEAT_PRIOR, PRESENT_PEAK, DownstreamModel
from datasetgan_ext.downstream.vision import import_segmentation

OPSET = 18
METADATA = 'datasetgan'
"""Key of the JSON in the file's metadata."""
INPUT, LOGITS, HEATMAPS = 'images', 'logits', 'heatmaps'


class Exported(nn.Module):
    """The network with all that stands around it.

    Images, float [N, 3, H, W], RGB in 0..1 and of any size, are resized to the network's size and normalised; logits
    and heatmaps are brought back to the images' size.
    """

    def __init__(self, model: DownstreamModel):
        super().__init__()
        self.network = model.network
        self.classes = len(model.task.classes)
        self.keypoints = len(model.task.keypoints)
        self.image_hw = model.image_hw
        self.register_buffer('mean', torch.tensor(MEAN)[:, None, None])
        self.register_buffer('std', torch.tensor(STD)[:, None, None])

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Logits [N, K, H, W] of classes, heatmaps [N, J, H, W] in 0..1 of keypoints; those that the network has."""
        inputs = F.interpolate(images, self.image_hw, mode='bilinear', align_corners=False, antialias=True)
        found = self.network((inputs - self.mean) / self.std)
        found = F.interpolate(found, images.shape[2:], mode='bilinear', align_corners=False)
        outputs = []
        if self.classes:
            outputs.append(found[:, : self.classes])
        if self.keypoints:
            outputs.append((found[:, self.classes :] + HEAT_PRIOR).sigmoid())
        return tuple(outputs)


def export_onnx(model: DownstreamModel, path: Path) -> list[str]:
    """Write a network as ONNX, and return the names of its outputs.

    Input `images`: float32 [N, 3, H, W], RGB in 0..1; N, H and W are free. Outputs, at the images' size: `logits`,
    float32 [N, K, H, W], whose highest says the class; `heatmaps`, float32 [N, J, H, W], whose peak is the keypoint,
    which is there if the peak is at least `present_peak`. The metadata has, under `datasetgan`, JSON with the classes,
    their colours, the keypoints, and all this in words.

    Args:
        model: the network; it is moved to the CPU.
        path: file to write.

    Raises:
        UserError: onnx or onnxscript is not installed, or the file cannot be written.
    """
    onnx = import_extra('onnx', 'onnx')
    import_extra('onnxscript', 'onnx')
    with suppress(UserError):  # torch's exporter imports torchvision if there is one, and stops where that stops
        import_segmentation()
    exported = Exported(model).cpu().eval()
    outputs = [name for name, there in ((LOGITS, model.task.classes), (HEATMAPS, model.task.keypoints)) if there]
    height, width = model.image_hw
    sizes = {0: torch.export.Dim.DYNAMIC, 2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
    # sizes that are all different, so that none is taken for another
    example = torch.rand(2, 3, height + 3, width + 5)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter('ignore')  # of torch's own code
        place = Path(folder, 'model.onnx')
        torch.onnx.export(
            exported,
            (example,),
            place,
            input_names=[INPUT],
            output_names=outputs,
            dynamic_shapes=(sizes,),
            opset_version=OPSET,
            external_data=False,
            dynamo=True,
            verbose=False,
        )
        content = onnx.load(place)
    onnx.helper.set_model_props(content, {METADATA: json.dumps(describe(model.task, model.image_hw))})
    write_atomically(path, content.SerializeToString())
    return outputs


def describe(task: Task, image_hw: tuple[int, int]) -> dict:
    """What the metadata say."""
    content = {
        **task.to_json(),
        'network_hw': list(image_hw),
        INPUT: 'float32 [N, 3, H, W], RGB in 0..1, any size; the file normalises and resizes',
    }
    if task.classes:
        content[LOGITS] = 'float32 [N, K, H, W]; the class of a pixel is the index of the highest'
    if task.keypoints:
        content[HEATMAPS] = (
            'float32 [N, J, H, W] in 0..1; a keypoint is at the peak, the centre of pixel (y, x) being (x + 0.5, '
            'y + 0.5), if the peak is at least present_peak'
        )
        content['present_peak'] = PRESENT_PEAK
    return content
