"""The one exception that carries a sentence for the person at the screen."""


class LabError(ValueError):
    """Bad input or a missing file: one sentence that says what is wrong and what would work.

    The command line prints it and exits with code 2; a page shows it in place of the result.
    """
