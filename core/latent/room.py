"""A room of the lab: ALRDC's attacks on latents, their numbers and their tables."""

from collections.abc import Callable, Iterator
from functools import partial

from core.latent import attack as latent_attack
from core.latent import results
from core.latent.results import LatentResult
from core.latent.tables import LatentSources, Line
from core.library import Library
from core.records import CheckpointCard, SweepReport, SweepSpec
from core.store import ResultStore


class Latents:
    """Measures attacks on latents and keeps their numbers. ``sweep`` runs one along γ."""

    def __init__(
        self, library: Library, store: ResultStore, sweep: Callable[[SweepSpec], Iterator[SweepReport]]
    ) -> None:
        self._library, self._store, self._sweep = library, store, sweep

    def datasets(self) -> tuple[str, ...]:
        """The data sets on which a model's latent can be attacked."""
        return tuple(dict.fromkeys(card.dataset for card in self._library.cards("latent")))

    def attacker(self, dataset: str, model: str, attack: str = "latent") -> CheckpointCard | None:
        """The card of the networks behind an attack of :data:`core.latent.attack.ATTACKS`, None without them."""
        return latent_attack.attacker(self._library, self._library.card(dataset, model), attack)

    def result(self, spec: SweepSpec, *, ship: bool = False) -> LatentResult:
        """The numbers of a latent attack at its attacker's own γ: at once where they are kept, else measured."""
        card = self._library.card(spec.attack.dataset, spec.attack.model)
        return latent_attack.result(self._library, self._store, card, spec, lambda: [*self._sweep(spec)][-1], ship=ship)

    def lines(self, dataset: str) -> tuple[Line, ...]:
        """The rows of ALRDC's tables on a data set, from cards and kept results. Runs nothing."""
        cards = self._library.cards
        sources = LatentSources(
            models=cards("model"), attackers=cards("latent"), stored=partial(results.load, self._store)
        )
        return sources.lines(dataset)
