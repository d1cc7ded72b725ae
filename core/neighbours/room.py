"""A room of the lab: NCP-ACL's rows, and samples pushed from cluster to cluster."""

from collections.abc import Iterator, Sequence

from core.library import Library
from core.neighbours import pursuit, study
from core.neighbours.pursuit_records import PursuitReport, PursuitSpec
from core.neighbours.records import NeighbourResult
from core.neighbours.study import Progress
from core.neighbours.tables import Line, make_lines
from core.recipes import ncp_acl
from core.records import CheckpointCard
from core.store import ResultStore


class Neighbours:
    """Measures rows and keeps them; follows samples. Raises :class:`LabError` for what is not there."""

    def __init__(self, library: Library, store: ResultStore) -> None:
        self._library = library
        self._store = store

    def cards(self) -> tuple[CheckpointCard, ...]:
        """The checkpoints of representations whose data are here."""
        cards = [card for card in self._library.cards("model") if card.model in ncp_acl.MODELS]
        return tuple(card for card in cards if not self._library.missing_data(card.dataset)[0])

    def lines(self, dataset: str) -> tuple[Line, ...]:
        """Every row of a data set with the seeds that are kept. Runs nothing."""

        def kept(variant: str, seed: int) -> NeighbourResult | None:
            return study.kept(self._store, study.make_spec(dataset, variant, seed))

        return make_lines(dataset, kept)

    def measure(self, dataset: str, seed: int, variants: Sequence[str], *, ship: bool) -> Iterator[Progress]:
        """Train and score the rows of a seed that are not kept yet, epoch by epoch; every result is kept at once."""
        return study.run(self._library, self._store, dataset, seed, variants, ship=ship)

    def pursue(self, spec: PursuitSpec) -> Iterator[PursuitReport]:
        """Push samples toward a neighbouring cluster; a report after every step."""
        return pursuit.pursue(self._library, spec)
