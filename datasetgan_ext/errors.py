"""The one exception for mistakes that a user can mend."""
import click


class UserError(click.ClickException):
    """Something in the user's input is wrong: the message names the flag or file and says how to fix it.

    The command line prints the message after `Error:` and exits with status 1, without a traceback.
    """
