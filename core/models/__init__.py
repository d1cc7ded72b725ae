"""The clustering models, by name."""

from core.models.base import ClusteringModel
from core.models.comvc import CoMVC
from core.models.simvc import SiMVC
from core.registry import Registry

MODELS: Registry[ClusteringModel] = Registry(
    "model",
    {
        "simvc": SiMVC,
        "comvc": CoMVC,
        "cl_mvc": CoMVC,  # the released configurations of AR-DMVC instantiate CoMVC
        "ar_dmvc": CoMVC,  # CL-MVC hardened by adversarial training: see core/defenses
        "ar_dmvc_am": CoMVC,
    },
)
