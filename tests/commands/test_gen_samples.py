"""datasetgan samples: what it refuses."""

from __future__ import annotations

import pytest

from datasetgan_ext import gen_samples
from tests.helpers.commands import SIDE, invoke


@pytest.mark.parametrize(
    'crop, message',
    [('384', 'is not HEIGHTxWIDTH'), ('0x32', 'is not HEIGHTxWIDTH'), (f'{SIDE + 1}x{SIDE}', 'is larger than')],
)
def test_gen_samples_refuses_crops(crop, message, tmp_path):
    result = invoke(gen_samples.main, '--network=demo', f'--outdir={tmp_path}/out', f'--crop={crop}')
    assert result.exit_code != 0 and message in result.output
    assert not (tmp_path / 'out').exists()
