"""The one exception that carries a sentence for the person at the screen."""

LONGEST = 60  # characters of a stranger's word in a sentence


class LabError(ValueError):
    """Bad input or a missing file: one sentence that says what is wrong and what would work.

    The command line prints it and exits with code 2; a page shows it in place of the result.
    """


def shortened(text: object, longest: int = LONGEST) -> str:
    """What somebody wrote, short enough to stand in a sentence."""
    words = str(text)
    return words if len(words) <= longest else f"{words[: longest - 1]}…"
