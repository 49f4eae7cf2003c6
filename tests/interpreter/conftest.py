import pytest

from datasetgan_ext.interpreter import inference


@pytest.fixture(autouse=True, scope='module')
def in_float32():
    """Results are compared to many digits, which bfloat16 has not; some processors would take it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inference, 'has_bfloat16', lambda: False)
        yield
