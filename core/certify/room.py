"""ClusTR's room: rows of its tables and networks of the plane, kept ones and those that are measured for somebody."""

from collections.abc import Iterator
from contextlib import nullcontext, suppress
from dataclasses import replace
from functools import partial

from core.certify.measure import measure
from core.certify.plane import train_in_the_plane
from core.certify.results import (
    SEEDS,
    PlaneReport,
    PlaneSpec,
    RobustResult,
    RobustSpec,
    load_plane,
    load_robust,
    save_plane,
    save_robust,
)
from core.certify.tables import DATASETS as TABLES
from core.certify.tables import RobustLine, lines, plane_specs
from core.errors import LabError
from core.library import Library
from core.recipes.clustr import MODELS as CLASSIFIERS
from core.store import ResultStore
from core.types import MultiViewDataset


class Certifying:
    """ClusTR's rows and networks of the plane: kept ones at once, others measured when they are asked for."""

    def __init__(self, library: Library, store: ResultStore) -> None:
        self._library = library
        self._store = store

    def lines(self, dataset: str) -> tuple[RobustLine, ...]:
        """The rows of a data set, from cards and kept results. Runs nothing."""
        return lines(dataset, self._library.cards("model"), partial(load_robust, self._store))

    def datasets(self) -> tuple[str, ...]:
        """The data sets of pictures that have one of the classifiers."""
        here = {card.dataset for card in self._library.cards("model") if card.model in CLASSIFIERS}
        return tuple(name for name in TABLES if name in here)

    def robust(
        self, spec: RobustSpec, samples: MultiViewDataset, *, ship: bool = False
    ) -> Iterator[tuple[float, RobustResult | None]]:
        """A row, measured on samples of the held-out part, and then kept."""
        card = self._library.card(spec.dataset, spec.model)
        for share, result in measure(self._library.model(card), samples, spec, card.sha256):
            yield share, result
            if result is not None:
                with nullcontext() if ship else suppress(LabError):
                    save_robust(self._store, result, shipped=ship)

    def kept_plane(self, spec: PlaneSpec) -> PlaneReport | None:
        """A network of the plane that is kept, else None. Runs nothing."""
        return load_plane(self._store, spec)

    def planes(self) -> dict[PlaneSpec, PlaneReport | None]:
        """Those of Figure 3, as far as they are kept."""
        return {spec: self.kept_plane(spec) for spec in plane_specs()}

    def plane(self, spec: PlaneSpec, *, ship: bool = False, again: bool = False) -> Iterator[PlaneReport]:
        """A training in the plane, epoch by epoch: at once where it is kept, unless it is wanted ``again``."""
        kept = None if again else self.kept_plane(spec)
        if kept is not None:
            if ship:
                self._ship(kept)
            yield kept
            return
        for report in train_in_the_plane(spec, self._library.parts(spec.dataset)):
            yield report
        if ship:
            self._ship(report)
            return
        with suppress(LabError):
            save_plane(self._store, report)

    def _ship(self, report: PlaneReport) -> None:
        """Keep a training beside the results that come with the lab: of one seed all frames, of others the ends."""
        if report.spec.seed != SEEDS[0]:
            report = replace(report, frames=(report.frames[0], report.frames[-1]))
        save_plane(self._store, report, shipped=True)
