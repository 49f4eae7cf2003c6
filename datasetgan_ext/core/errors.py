"""The one exception for mistakes that a user can mend, and warnings."""

import importlib
import logging
from functools import cache
from types import ModuleType


class UserError(Exception):
    """Something in the user's input is wrong: the message names the argument or the file, and says how to mend it.

    Names of arguments stand in backticks, as in "`trunc`=nan is not a number". Where a command ends with the error, its
    message has the command's own flags in their place: "--trunc=nan is not a number".

    Attributes:
        message: the text.
    """

    def __init__(self, message: str):
        super().__init__(message)
        self.message = message


def import_extra(module: str, extra: str) -> ModuleType:
    """Import a module that only an optional extra of this package installs.

    Raises:
        UserError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UserError(
            f'{module.partition(".")[0]} is needed for this and cannot be imported ({error}); '
            f"install it with: pip install 'datasetgan-ext[{extra}]'"
        ) from error


@cache
def tell_once(log: logging.Logger, message: str) -> None:
    """Warn of something that comes up again and again, the first time in this process."""
    log.warning('%s', message)
