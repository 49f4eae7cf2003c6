"""Command lines as tests call them, without a process of their own."""

from __future__ import annotations

import click
from click.testing import CliRunner, Result


def invoke(command: click.Command, *arguments) -> Result:
    """The result of a command, also of one that ends with an error; any other exception is the test's."""
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def output_of(command: click.Command, *arguments) -> str:
    """What a command that must succeed prints."""
    result = invoke(command, *arguments)
    assert result.exit_code == 0, result.output
    return result.output
