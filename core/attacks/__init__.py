"""The attacks, by name."""

from core.attacks.autoattack import Ensemble
from core.attacks.base import Attack, Budget, Step, still
from core.attacks.gan import GenerativeAttack, UntrainedGenerator
from core.attacks.noise import Noise
from core.attacks.objectives import OBJECTIVES
from core.attacks.pgd import ProjectedGradientDescent, fast_gradient_sign
from core.registry import Registry

__all__ = ["ATTACKS", "OBJECTIVES", "Attack", "Budget", "Step", "still"]

ATTACKS: Registry[Attack] = Registry(
    "attack",
    {
        "noise": Noise,
        "untrained_generator": UntrainedGenerator,
        "fgsm": fast_gradient_sign,
        "pgd": ProjectedGradientDescent,
        "gan": GenerativeAttack,
        "ensemble": Ensemble,
    },
)
