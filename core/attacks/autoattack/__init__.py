"""The strongest attacks there are without tuning: AutoAttack's members (Croce & Hein, ICML 2020) and their ensemble.

What they call labels are the clusters of the clean pictures, the model's own: no attack here sees a label of the data.
"""

from core.attacks.autoattack.apgd import AutoPGD
from core.attacks.autoattack.ensemble import Ensemble
from core.attacks.autoattack.fab import FastAdaptiveBoundary
from core.attacks.autoattack.logit_losses import dlr, margin, targeted_dlr
from core.attacks.autoattack.square import Square

__all__ = ["AutoPGD", "Ensemble", "FastAdaptiveBoundary", "Square", "dlr", "margin", "targeted_dlr"]
