"""What the lab has: data sets, checkpoints and networks by name, loaded once and shared read-only."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from core.attacks.generators import Generators, make_generators
from core.attacks.latent import PerturbationNetworks
from core.checkpoints import REMEDY, find_cards, is_name, load_card, load_into, load_weights, reference
from core.data import DATASET_FACTS, DATASETS, UNLABELLED
from core.data.at_hand import missing_data
from core.defenses import DEFENSES
from core.errors import LabError, shortened
from core.models import MODELS
from core.models.base import ClusteringModel, LatentModel
from core.records import CheckpointCard
from core.registry import unknown
from core.shelf import Recent, Shelf
from core.types import MultiViewDataset

UNDEFENDED = "cl_mvc"  # the network that the defenses train
UNSEEN = 1.0  # seconds that a checkpoint of another process may go unnoticed: thirty readers would look all the time
MOST_DATA, MOST_WEIGHTS = 2**30, 2**29  # bytes of data sets and of networks that are kept once they were used
Parts = tuple[MultiViewDataset, MultiViewDataset]
Make = Callable[[torch.device], torch.nn.Module]  # builds a network with any weights, on a device


@dataclass(frozen=True)
class Found:
    """The checkpoints of a folder: cards by kind, a sentence for each that cannot be read."""

    cards: dict[str, tuple[CheckpointCard, ...]]
    problems: tuple[str, ...]


class Library:
    """Loads on first use; safe to share between threads."""

    def __init__(self, *, checkpoints: Path, data: Path | None, device: torch.device) -> None:
        self.checkpoints = checkpoints
        self.device = device
        self._data_root = data
        self._parts: Shelf[Parts] = Shelf(MOST_DATA, _data_bytes)
        self._networks: Shelf[torch.nn.Module] = Shelf(MOST_WEIGHTS, _weight_bytes)
        self._found: Recent[Found] = Recent(self._find, UNSEEN)

    def cards(self, kind: str) -> tuple[CheckpointCard, ...]:
        """Every readable checkpoint of a kind of its card, in the order of data sets and models."""
        return self._found.get().cards.get(kind, ())

    def problems(self) -> tuple[str, ...]:
        """One sentence for each checkpoint that cannot be read."""
        return self._found.get().problems

    def look_again(self) -> None:
        """See a checkpoint that has just been written."""
        self._found.again()

    def _find(self) -> Found:
        cards, problems = find_cards(self.checkpoints)
        kinds = {card.kind for card in cards}
        ordered = sorted(cards, key=_place)
        return Found({kind: tuple(card for card in ordered if card.kind == kind) for kind in kinds}, problems)

    def find(self, dataset: str, name: str) -> CheckpointCard | None:
        """The card of one model, of one that was written a moment ago too; None where there is none."""
        for found in (self._found.get, self._found.again):
            for card in found().cards.get("model", ()):
                if (card.dataset, card.name) == (dataset, name):
                    return card
        return None

    def card(self, dataset: str, name: str) -> CheckpointCard:
        """The card of one model. Raises :class:`LabError` saying what there is, or why it cannot be read."""
        DATASETS[dataset]
        card = self.find(dataset, name)
        if card is not None:
            return card
        names = [card.name for card in self.cards("model") if card.dataset == dataset]
        if is_name(name) and (self.checkpoints / dataset / f"{name}.json").is_file():
            load_card(self.checkpoints, dataset, name)  # raises the reason, unless it is an attacker
        hint = f" Make one with python -m core train {dataset}/{_usual(dataset)}." if not names else ""
        raise LabError(unknown(f"checkpoint of {dataset}", name, names) + hint)

    def attacker(self, target: CheckpointCard) -> CheckpointCard | None:
        """The card of the attacker trained against exactly these weights, if there is one."""
        return self.against(target, "attacker")

    def latent_attacker(self, target: CheckpointCard) -> CheckpointCard | None:
        """The card of the perturbation networks trained against exactly these weights, if there is one."""
        return self.against(target, "latent")

    def against(self, target: CheckpointCard, kind: str) -> CheckpointCard | None:
        """The card of the attacker of that kind that was trained against exactly these weights, if there is one."""
        return next((card for card in self.cards(kind) if card.target_sha256 == target.sha256), None)

    def undefended(self, card: CheckpointCard) -> CheckpointCard | None:
        """The card of the model that a defended one hardens, on the same data; None for an undefended one."""
        names = {other.name: other for other in self.cards("model") if other.dataset == card.dataset}
        return names.get(UNDEFENDED) if card.model in DEFENSES else None

    def parts(self, dataset: str) -> Parts:
        """The training part and the held-out part of a data set, on the device."""

        def make() -> Parts:
            train, held_out = DATASETS.make(dataset, root=self._data_root).split()
            return train.to(self.device), held_out.to(self.device)

        return self._parts.get(dataset, make)

    def with_unlabelled(self, part: MultiViewDataset) -> MultiViewDataset:
        """A training part with the pictures that its data set has besides, without labels; as it is without any."""
        if part.name not in UNLABELLED:
            return part
        views = UNLABELLED[part.name](self._data_root)
        return replace(part, unlabelled=tuple(view.to(self.device) for view in views))

    def missing_data(self, dataset: str) -> tuple[str, bool]:
        """What of a data set's files is not here, empty if all is, and whether it can be downloaded."""
        return missing_data(dataset, self._data_root)

    def model(self, card: CheckpointCard) -> ClusteringModel:
        """The model of a card, in evaluation mode and without gradients: read-only for everyone."""
        network = self._network(card, lambda device: _make_model(card))
        assert isinstance(network, ClusteringModel)
        return network

    def generators(self, target: CheckpointCard) -> Generators:
        """The generators trained against a model. Raises :class:`LabError` with the command that makes them."""
        card = self.attacker(target)
        if card is None:
            name = f"{target.dataset}/{target.name}"
            raise LabError(
                f"No attacker was trained against the weights of {name}. "
                f"Make one with python -m core train {name}.gan, or choose pgd."
            )
        unused = torch.Generator()  # its draws are replaced by the weights
        network = self._network(
            card, lambda device: make_generators(card.view_shapes, weight_std=0.0, generator=unused, device=device)
        )
        assert isinstance(network, Generators)
        return network

    def latent_model(self, card: CheckpointCard) -> LatentModel:
        """The model of a card, if it has a latent to attack. Raises :class:`LabError` for another."""
        model = self.model(card)
        if not isinstance(model, LatentModel):
            raise LabError(f"{card.dataset}/{card.name} has no latent to attack; conv_ae and alrdc have.")
        return model

    def networks(self, card: CheckpointCard) -> PerturbationNetworks:
        """The perturbation networks of a latent attacker's card."""

        def make(device: torch.device) -> PerturbationNetworks:
            latent = self._target(card).recipe["model_options"]["latent"]
            return PerturbationNetworks(card.view_shapes, latent, card.recipe["gammas"])

        network = self._network(card, make)
        assert isinstance(network, PerturbationNetworks)
        return network

    def attacked(self, attacker: CheckpointCard) -> tuple[LatentModel, PerturbationNetworks]:
        """The model that a latent attacker was trained against, and its networks."""
        return self.latent_model(self._target(attacker)), self.networks(attacker)

    def _target(self, attacker: CheckpointCard) -> CheckpointCard:
        for card in self.cards("model"):
            if card.sha256 == attacker.target_sha256:
                return card
        name = f"{attacker.dataset}/{attacker.name}"
        raise LabError(f"The weights that {name} attacks are gone. Make it anew: python -m core train {name}.")

    def _network(self, card: CheckpointCard, make: Make) -> torch.nn.Module:
        """The network of a card, which ``make`` builds; kept once it has the card's weights."""

        def load() -> torch.nn.Module:
            self._check_fits(card, make)
            network = make(torch.device("cpu"))
            load_into(network, self.checkpoints, card)
            return network.to(self.device).eval().requires_grad_(False)

        return self._networks.get((card.kind, card.sha256), load)

    def _check_fits(self, card: CheckpointCard, make: Make) -> None:
        """Build the network without memory first: a card may describe one that the machine could not hold."""
        weights = load_weights(self.checkpoints, card)
        name = f"{card.dataset}/{card.name}"
        try:
            with (meta := torch.device("meta")), warnings.catch_warnings(action="ignore"):
                shapes = {key: tensor.shape for key, tensor in make(meta).state_dict().items()}
        except LabError as error:
            raise LabError(
                f"The card of {name} describes no network that can be made: {shortened(error, 160)}"
            ) from error
        except Exception as error:  # whatever torch, or a model, says to options of a stranger
            raise LabError(
                f"The card of {name} describes a network that cannot be made: its options are wrong."
            ) from error
        if shapes != {key: tensor.shape for key, tensor in weights.items()}:
            raise LabError(
                f"The weights of {name} do not fit the network its card describes. {REMEDY} {reference(card)}."
            )


def _usual(dataset: str) -> str:
    """The model to train first on a data set."""
    facts = DATASET_FACTS[dataset]
    if len(facts.view_names) > 1:
        return "cl_mvc"
    is_grey = facts.has_pictures and facts.view_shapes[0][0] == 1
    return "conv_ae" if is_grey or facts.is_vectors else "clustr"


def _place(card: CheckpointCard) -> tuple[int, int, str]:
    datasets, models = [*DATASETS], [*MODELS]
    dataset = datasets.index(card.dataset) if card.dataset in datasets else len(datasets)
    return dataset, models.index(card.model) if card.model in models else len(models), card.name


def _make_model(card: CheckpointCard) -> ClusteringModel:
    """The network a card describes, with any weights."""
    model = MODELS.make(
        card.model, view_shapes=card.view_shapes, n_clusters=card.n_clusters, **card.recipe["model_options"]
    )
    model.leave_training_behind()
    return model


def _data_bytes(parts: Parts) -> int:
    return sum(view.nbytes for part in parts for view in part.views)


def _weight_bytes(network: torch.nn.Module) -> int:
    return sum(tensor.nbytes for tensor in network.state_dict().values())
