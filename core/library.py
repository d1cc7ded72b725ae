"""What the lab has: data sets, checkpoints and networks by name, loaded once and shared read-only."""

from pathlib import Path
from threading import Lock

import torch

from core.attacks.generators import Generators, make_generators
from core.attacks.latent import PerturbationNetworks
from core.checkpoints import find_cards, load_card, load_into
from core.data import DATASET_FACTS, DATASETS
from core.data.at_hand import missing_data
from core.defenses import DEFENSES
from core.errors import LabError
from core.models import MODELS
from core.models.base import ClusteringModel, LatentModel
from core.records import CheckpointCard
from core.registry import unknown
from core.types import MultiViewDataset

UNDEFENDED = "cl_mvc"  # the network that the defenses train


class Library:
    """Loads on first use; safe to share between threads."""

    def __init__(self, *, checkpoints: Path, data: Path | None, device: torch.device) -> None:
        self.checkpoints = checkpoints
        self.device = device
        self._data_root = data
        self._lock = Lock()
        self._parts: dict[str, tuple[MultiViewDataset, MultiViewDataset]] = {}
        self._networks: dict[str, torch.nn.Module] = {}

    def cards(self, kind: str) -> tuple[CheckpointCard, ...]:
        """Every readable checkpoint of a kind of its card, in the order of data sets and models."""
        cards = [card for card in find_cards(self.checkpoints)[0] if card.kind == kind]
        return tuple(sorted(cards, key=_place))

    def problems(self) -> tuple[str, ...]:
        """One sentence for each checkpoint that cannot be read."""
        return find_cards(self.checkpoints)[1]

    def card(self, dataset: str, name: str) -> CheckpointCard:
        """The card of one model. Raises :class:`LabError` saying what there is, or why it cannot be read."""
        DATASETS[dataset]
        names = {card.name: card for card in self.cards("model") if card.dataset == dataset}
        if name in names:
            return names[name]
        if (self.checkpoints / dataset / f"{name}.json").is_file():
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

    def parts(self, dataset: str) -> tuple[MultiViewDataset, MultiViewDataset]:
        """The training part and the held-out part of a data set, on the device."""
        with self._lock:
            if dataset not in self._parts:
                train, held_out = DATASETS.make(dataset, root=self._data_root).split()
                self._parts[dataset] = (train.to(self.device), held_out.to(self.device))
            return self._parts[dataset]

    def missing_data(self, dataset: str) -> tuple[str, bool]:
        """What of a data set's files is not here, empty if all is, and whether it can be downloaded."""
        return missing_data(dataset, self._data_root)

    def model(self, card: CheckpointCard) -> ClusteringModel:
        """The model of a card, in evaluation mode and without gradients: read-only for everyone."""
        with self._lock:
            network = self._networks.get(card.sha256)
            if network is None:
                network = _make_model(card)
                self._keep(network, card)
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
        with self._lock:
            network = self._networks.get(card.sha256)
            if network is None:
                unused = torch.Generator()  # its draws are replaced by the weights
                network = make_generators(card.view_shapes, weight_std=0.0, generator=unused, device=self.device)
                self._keep(network, card)
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
        with self._lock:
            network = self._networks.get(card.sha256)
            if network is None:
                target = self._target(card)
                latent = int(target.recipe["model_options"]["latent"])
                network = PerturbationNetworks(card.view_shapes, latent, card.recipe["gammas"])
                self._keep(network, card)
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

    def _keep(self, network: torch.nn.Module, card: CheckpointCard) -> None:
        load_into(network, self.checkpoints, card)
        self._networks[card.sha256] = network.to(self.device).eval().requires_grad_(False)


def _usual(dataset: str) -> str:
    """The model to train first on a data set."""
    facts = DATASET_FACTS[dataset]
    if len(facts.view_names) > 1:
        return "cl_mvc"
    is_grey = facts.has_pictures and facts.view_shapes[0][0] == 1
    return "conv_ae" if is_grey else "clustr"


def _place(card: CheckpointCard) -> tuple[int, int, str]:
    datasets, models = [*DATASETS], [*MODELS]
    dataset = datasets.index(card.dataset) if card.dataset in datasets else len(datasets)
    return dataset, models.index(card.model) if card.model in models else len(models), card.name


def _make_model(card: CheckpointCard) -> ClusteringModel:
    """The network a card describes, with any weights."""
    try:
        model = MODELS.make(
            card.model, view_shapes=card.view_shapes, n_clusters=card.n_clusters, **card.recipe["model_options"]
        )
    except TypeError as error:
        raise LabError(f"The card of {card.dataset}/{card.name} describes a model with unknown options.") from error
    model.leave_training_behind()
    return model
