"""The defenses, by name: each makes the loss that hardens a model."""

from core.defenses.adversarial_training import ar_dmvc, ar_dmvc_am
from core.defenses.latent import alrdc
from core.defenses.robust_distillation import rcd_mvc
from core.registry import Registry
from core.training import Loss

DEFENSES: Registry[Loss] = Registry(
    "defense",
    {
        "ar_dmvc": ar_dmvc,
        "ar_dmvc_am": ar_dmvc_am,
        "rcd_mvc": rcd_mvc,
        "alrdc": alrdc,
        "alrdc_mie": alrdc,
        "alrdc_graph": alrdc,
    },
)
