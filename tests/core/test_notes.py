import logging

from datasetgan_ext.core.notes import collecting_notes, note


def test_collected_each_once_and_else_logged(caplog):
    caplog.set_level(logging.INFO)
    with collecting_notes() as notes:
        note('one')
        note('two')
        note('one')
        with collecting_notes() as inner:
            note('three')
    assert (notes, inner, caplog.messages) == (['one', 'two'], ['three'], [])
    note('four')
    assert caplog.messages == ['four']
