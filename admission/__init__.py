"""computegate: who may run what accelerator, decided where a workload asks its scheduler for one."""

__version__ = "0.1.0"
