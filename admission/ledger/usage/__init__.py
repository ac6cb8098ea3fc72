"""The usage record: who held which accelerators, where and for how long; what an invoice or a regulator asks for."""
