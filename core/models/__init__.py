"""The clustering models, by name, in the order of the paper's Table 1."""

from core.models.aecoddc import AECoDDC
from core.models.base import ClusteringModel
from core.models.comvc import CoMVC
from core.models.eamc import EAMC
from core.models.infoddc import InfoDDC
from core.models.multi_vae import MultiVAE
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
    },
)
