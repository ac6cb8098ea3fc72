"""What an object can obtain: which devices, how many, and whether it reaches one without asking.

Knows neither tenants nor quotas.  ``pod`` does the scheduler's arithmetic, ``access`` finds the ways around
a request, ``reach`` finds the accelerator classes a pod can land on, ``workloads`` the pods that workloads make.
"""
