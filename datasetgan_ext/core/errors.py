"""The one exception for mistakes that a user can mend, and warnings."""
import importlib
import logging
from functools import cache
from types import ModuleType

import click


class UserError(click.ClickException):
    """Something in the user's input is wrong: the message names the flag or file and says how to fix it.

    The command line prints the message after `Error:` and exits with status 1, without a traceback.
    """


def import_extra(module: str, extra: str) -> ModuleType:
    """Import a module that only an optional extra of this package installs.

    Raises:
        UserError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UserError(f'{module.partition(".")[0]} is needed for this and cannot be imported ({error}); '
                        f"install it with: pip install 'datasetgan-ext[{extra}]'") from error


@cache
def tell_once(log: logging.Logger, message: str) -> None:
    """Warn of something that comes up again and again, the first time in this process."""
    log.warning(message)
