"""The error that is a message to the user."""


class InputError(ValueError):
    """Something that the user gave (a config, a file, an image) cannot be used.

    The message is one line that names the thing and says what to do. The command line tools
    print it without a stack trace and exit with status 2.
    """
