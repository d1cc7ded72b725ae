"""The defenses, by name: each makes the loss that hardens a model, with labels for a classifier."""

from typing import Any

from core.defenses.adversarial_training import ar_dmvc, ar_dmvc_am
from core.defenses.contrastive import acl, advcl, deacl, ncp_acl, rocl
from core.defenses.latent import alrdc
from core.defenses.robust_distillation import rcd_mvc
from core.defenses.supervised import FreeAdversary, at, qtrades, trades
from core.registry import Registry

DEFENSES: Registry[Any] = Registry(
    "defense",
    {
        "ar_dmvc": ar_dmvc,
        "ar_dmvc_am": ar_dmvc_am,
        "rcd_mvc": rcd_mvc,
        "alrdc": alrdc,
        "alrdc_mie": alrdc,
        "alrdc_graph": alrdc,
        "at": at,  # from here on told the labels
        "free_at": FreeAdversary.loss,
        "trades": trades,
        "qtrades": qtrades,
        "clustr_qtrades": qtrades,
        "ncp_acl": ncp_acl,  # of representations
        "deacl": deacl,
        "acl": acl,
        "dynacl": acl,  # with another weight and augmentation as training goes on
        "dynacl_plus": acl,  # before its pseudo-labels
        "advcl": advcl,
        "rocl": rocl,
    },
)
