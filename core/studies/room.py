"""A room of the lab: it runs trials and transfers and keeps what they find."""

from collections.abc import Generator
from pathlib import Path

from core.library import Library
from core.records import EpochLog
from core.store import ResultStore
from core.studies import kept
from core.studies.records import TransferRecord, TransferSpec, TrialRecord, TrialSpec
from core.studies.transfer import run_transfer, weights_of
from core.studies.trial import run_trial


class Studies:
    """Runs trials and transfers; keeps what they find."""

    def __init__(self, library: Library, runs: Path, store: ResultStore) -> None:
        self._library = library
        self._runs = runs
        self._store = store

    def trial(
        self, spec: TrialSpec, *, ship: bool = False, capture: bool = False
    ) -> Generator[EpochLog, None, TrialRecord]:
        """Run a trial epoch by epoch and keep its record, beside those that ship if asked.

        Raises :class:`LabError` for what cannot be trained or kept.
        """
        record = yield from run_trial(self._library, self._runs, spec, capture=capture)
        kept.save_trial(self._store, record, shipped=ship)
        return record

    def kept_trial(self, spec: TrialSpec) -> TrialRecord | None:
        """The record of a trial, None where there is none. Runs nothing."""
        return kept.load_trial(self._store, spec)

    def transfer(self, spec: TransferSpec, *, ship: bool = False) -> Generator[float, None, TransferRecord]:
        """Turn every attacker of a data set on every model of it, yield the share done, and keep the matrix."""
        weights = weights_of(self._library, spec.dataset)
        record = yield from run_transfer(self._library, spec)
        kept.save_transfer(self._store, record, weights, shipped=ship)
        return record

    def kept_transfer(self, spec: TransferSpec) -> TransferRecord | None:
        """The transfer matrix on today's weights, None where there is none. Runs nothing."""
        return kept.load_transfer(self._store, spec, weights_of(self._library, spec.dataset))
