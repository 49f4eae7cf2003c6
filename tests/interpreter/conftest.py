import pytest

from datasetgan_ext.interpreter import inference


@pytest.fixture(autouse=True)
def in_float32(monkeypatch):
    """Results are compared to many digits, which bfloat16 has not; some processors would take it."""
    monkeypatch.setattr(inference, 'has_bfloat16', lambda: False)
