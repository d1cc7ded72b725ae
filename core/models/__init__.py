"""The models, by name: of AR-DMVC's Table 1 in its order, then ALRDC's, ClusTR's classifiers, NCP-ACL's."""

from core.models.aecoddc import AECoDDC
from core.models.base import ClusteringModel
from core.models.classifier import Classifier
from core.models.comvc import CoMVC
from core.models.conv_ae import ConvAE
from core.models.eamc import EAMC
from core.models.infoddc import InfoDDC
from core.models.magnet import Magnet
from core.models.multi_vae import MultiVAE
from core.models.representation import Representation
from core.models.sem import SEM
from core.models.simvc import SiMVC
from core.registry import Registry

MODELS: Registry[ClusteringModel] = Registry(
    "model",
    {
        "eamc": EAMC,
        "simvc": SiMVC,
        "comvc": CoMVC,
        "multi_vae": MultiVAE,
        "aecoddc": AECoDDC,
        "infoddc": InfoDDC,
        "sem": SEM,
        "cl_mvc": CoMVC,  # the released configurations of AR-DMVC instantiate CoMVC
        "ar_dmvc": CoMVC,  # CL-MVC hardened by adversarial training: see core/defenses
        "ar_dmvc_am": CoMVC,
        "rcd_mvc": CoMVC,  # ours, beside the paper's two
        "conv_ae": ConvAE,  # the recipes make the variants
        "conv_ae_mie": ConvAE,
        "conv_ae_graph": ConvAE,
        "alrdc": ConvAE,  # hardened against a perturbation network: see core/defenses
        "alrdc_mie": ConvAE,
        "alrdc_graph": ConvAE,
        "nominal": Classifier,  # trained with labels: see core/recipes/clustr.py
        "at": Classifier,  # hardened: see core/defenses/supervised.py
        "free_at": Classifier,
        "trades": Classifier,
        "qtrades": Classifier,
        "magnet": Magnet,
        "clustr": Magnet,  # from a warm start
        "clustr_qtrades": Magnet,
        "simclr": Representation,  # an encoder without labels, a linear head with: see core/recipes/ncp_acl.py
        "ncp_acl": Representation,  # hardened: see core/defenses/contrastive.py
        "deacl": Representation,
        "acl": Representation,
        "dynacl": Representation,
        "dynacl_plus": Representation,
        "advcl": Representation,
        "rocl": Representation,
    },
)
