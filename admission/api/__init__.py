"""The objects an operator works with: ``computegate.io/v1alpha1``, as pydantic models.

The models are the one source: the CRD schemas are generated from them (``admission.api.crd``), the cluster's
objects and the YAML of standalone mode are read through them.
"""

GROUP = "computegate.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

TENANT_LABEL = f"{GROUP}/tenant"
"""On a namespace: the Tenant it belongs to.  Changing it needs the verb ``bind`` on the Tenants involved."""

END_CUSTOMER_LABEL = f"{GROUP}/end-customer"
"""On a reseller's namespace: the Tenant that computes there.  Guarded as the tenant label is."""

MODE_LABEL = f"{GROUP}/mode"
"""On a namespace: ``observe``, ``warn`` or ``enforce``.  Changing it needs ``use`` on that mode."""

DEADLINE_LABEL = f"{GROUP}/default-deadline-seconds"
"""On a namespace: the end of its accelerator pods that name none, where the chart's policy gives them one.  Not guarded."""
