"""The command that makes the vectors of ALRDC's tables from what they are made of."""

import sys
from argparse import Namespace

from tqdm import tqdm

from core.commands.printing import print_json
from core.data import vectors
from core.runtime import find_device


def features(options: Namespace) -> None:
    """Make the file of a data set of vectors in the data folder."""
    with tqdm(total=100, unit="%", file=sys.stderr, disable=options.quiet, leave=False, delay=1) as bar:
        for share in vectors.make_file(options.dataset, options.data, find_device(options.device)):
            bar.n = round(100 * share)
            bar.refresh()
    path = vectors.path_of(options.dataset, options.data)
    if options.json:
        print_json({"dataset": options.dataset, "file": str(path)})
    else:
        print(f"{path} is there; train with python -m core train {options.dataset}/conv_ae.")
