"""The record of an ensemble of attacks: who moved what, and what speaks against trusting it."""

from dataclasses import dataclass

FULL_STEPS = 100  # of APGD in AutoAttack's standard, to which every other member's length is in proportion
GRADIENT_FREE = ("square", "transfer")  # members of an ensemble that know nothing of the target's gradient


@dataclass(frozen=True, kw_only=True)
class EnsembleOutcome:
    """Which member of an ensemble of attacks moved what, and what speaks against trusting it."""

    moved: dict[str, int]  # samples that each member was the first to move, in the order in which they ran
    samples: int
    probabilities: float  # share of samples whose logits look like probabilities
    zero_gradients: float  # share of samples at whose clean pictures the cross-entropy has no gradient

    @property
    def survivors(self) -> int:
        """Samples that no member moved."""
        return self.samples - sum(self.moved.values())

    @property
    def blind(self) -> int:
        """Samples that an attack moved which asks for no gradient of the target, after those that do."""
        return sum(self.moved.get(name, 0) for name in GRADIENT_FREE)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Names of what hides a gradient: "probabilities", "zero_gradients", and "masking".

        Masking: an attack that asks for no gradient of the target moves what those with gradients left.
        """
        signs = {"probabilities": self.probabilities, "zero_gradients": self.zero_gradients, "masking": self.blind}
        return tuple(name for name, sign in signs.items() if sign > 0)
