"""What a recipe says. No field has a default: a number is written where it is claimed.

ε and step sizes are on the pixel scale [0, 1]; learning rates are Adam's.
"""

from dataclasses import dataclass
from typing import Any, Literal

from core.attacks.base import TargetMode
from core.attacks.gan import Constraint, Distance
from core.attacks.objectives import Consensus, Strategy
from core.losses.mitigation import Direction
from core.losses.realism import GanLoss
from core.models.encoders import Precision
from core.training import Schedule

Optimizer = Literal["adam", "sgd", "lars"]
Method = Literal["ncp_acl", "deacl", "acl", "dynacl", "dynacl_plus", "advcl", "rocl"]
PROTOCOLS = ("lab", "paper", "released")


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Some epochs of adversarial training at one ε."""

    epochs: int
    epsilon: float


@dataclass(frozen=True, kw_only=True)
class InnerAttack:
    """The maximisation inside adversarial training: PGD on all views."""

    steps: int
    step_size: float | None  # None for 2.5 ε / steps
    objective: str
    target_mode: TargetMode


@dataclass(frozen=True, kw_only=True)
class AdversarialTraining:
    """How AR-DMVC and AR-DMVC-AM are trained (Eq. 14)."""

    warm_up_epochs: int  # epochs of the clean loss alone, before the adversarial ones
    stages: tuple[Stage, ...]  # one after the other
    inner: InnerAttack
    adversarial_weight: float  # λ
    mitigation_weight: float  # γ; 0 gives AR-DMVC
    direction: Direction
    detach_clean: bool


@dataclass(frozen=True, kw_only=True)
class DistillationStage:
    """Some epochs of robust distillation at one ε, with an optimiser of their own."""

    epochs: int
    epsilon: float
    learning_rate: float


@dataclass(frozen=True, kw_only=True)
class RobustDistillation:
    """How RCD-MVC is trained."""

    warm_up_epochs: int  # epochs of the clean loss alone, which make the teacher
    stages: tuple[DistillationStage, ...]  # one after the other
    batch_size: int  # in the stages; the teacher's is the recipe's
    inner: InnerAttack
    adversarial_weight: float  # of attacked samples; clean ones have 1
    decay: float  # of the moving average of the weights, a step
    augmentation: str  # of what the student sees, a name in AUGMENTATIONS
    selection_steps: int  # of the PGD whose survivors decide which epoch's average is kept; 0 keeps the last


@dataclass(frozen=True, kw_only=True)
class LatentDefense:
    """How ALRDC goes on training a checkpoint against the perturbation network that was trained on it."""

    base: str  # name in MODELS of that checkpoint; protocol and latent are the recipe's own
    gamma: float  # of the network
    information_weight: float  # α
    widths: tuple[int, ...]  # of the discriminator's layers before the last


@dataclass(frozen=True, kw_only=True)
class SupervisedDefense:
    """How a classifier is trained on adversarial views, with labels; the warm start is the schedule's."""

    epsilon: float
    steps: int  # of the inner attack
    step_size: float
    weight: float  # β of TRADES, λ of QTRADES; 0 for the others
    replays: int  # of each batch: m of Free AT, 1 for the others


@dataclass(frozen=True, kw_only=True)
class Optimisation:
    """How one stage of representation learning is optimised; its epochs are the schedule's, rates follow a cosine."""

    optimizer: Optimizer
    learning_rate: float
    warm_up_epochs: int
    weight_decay: float
    batch_size: int
    augmentation: str  # a name in AUGMENTATIONS


@dataclass(frozen=True, kw_only=True)
class InnerBudget:
    """PGD inside training, and the budget it is scored under."""

    epsilon: float
    steps: int
    step_size: float


@dataclass(frozen=True, kw_only=True)
class RobustStage:
    """The second stage: which loss, and the numbers of it. What a loss does not have is None."""

    method: Method
    optimisation: Optimisation  # its augmentation is what both encoders see; contrast takes the first stage's
    inner: InnerBudget
    weight: float | None  # λ of NCP-ACL and DeACL, of RoCL's extra contrast, β of DYNACL++'s TRADES
    strategy: Strategy | None  # NCP-ACL's
    rank: int | None  # of its neighbour among the centroids
    refresh: bool | None  # whether its clusters are found anew before every epoch
    scale: float | None  # AdvCL's weight of the whole contrast
    growth: tuple[int, float] | None  # DYNACL's: in how many pieces, up to how much more adversarial weight
    afterwards: tuple[int, int, int] | None  # DYNACL++'s: pseudo-labels, epochs of the head, epochs of TRADES


@dataclass(frozen=True, kw_only=True)
class FineTuning:
    """The linear head on the frozen encoder, with labels."""

    epochs: int
    late: tuple[int, ...]  # epochs after which the learning rate falls to a tenth
    learning_rate: float
    weight_decay: float
    batch_size: int
    inner: InnerBudget | None  # PGD of adversarial linear fine-tuning; None for the standard one


@dataclass(frozen=True, kw_only=True)
class RepresentationLearning:
    """NCP-ACL and what it is compared with: SimCLR, a robust stage, a linear head."""

    temperature: float
    first: Optimisation
    second: RobustStage | None
    fine_tuning: FineTuning


@dataclass(frozen=True, kw_only=True)
class LatentAttackerRecipe:
    """How perturbation networks are trained against their target, one for each γ."""

    gammas: tuple[float, ...]  # weights of the batch mean of ⟨y, y'⟩
    gamma: float  # one of them: whose scores stand in the card and in tables
    epochs: int
    learning_rate: float
    batch_size: int
    widths: tuple[int, ...]  # of the layers before the last
    picture_weight: float
    size_weight: float
    precision: Precision  # of the target's convolutions
    trained_on: str  # as an AttackerRecipe's


@dataclass(frozen=True, kw_only=True)
class AttackerRecipe:
    """How a GAN attacker is trained against its target (Algorithm 1)."""

    epsilon: float
    epochs: int
    learning_rate: float
    late_epochs: int  # after them, with fresh optimisers
    late_learning_rate: float
    batch_size: int
    complementarity_weight: float  # μ1
    consistency_weight: float  # μ2
    constraint_weight: float  # μ3
    distance: Distance
    constraint: Constraint
    gan_loss: GanLoss
    consensus: Consensus
    weight_std: float  # of the initial weights
    target_mode: TargetMode
    precision: Precision  # of the target's convolutions
    trained_on: str  # "train": scored on samples it never saw; "held_out": on the samples it is scored on


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that training one model on one data set needs, and its attacker's recipe."""

    dataset: str
    model: str
    protocol: str
    model_options: dict[str, Any]
    schedule: Schedule  # AR-DMVC has epochs of its own
    batch_size: int
    runs: int  # seeds seed, seed + 1, …; the lowest final loss is kept, for a defense after the warm-up already
    precision: Precision  # of the convolutions in training; a checkpoint is always used in float32
    augmentation: str  # a name in AUGMENTATIONS
    defense: (
        AdversarialTraining | RobustDistillation | LatentDefense | SupervisedDefense | RepresentationLearning | None
    )
    attacker: AttackerRecipe | LatentAttackerRecipe
