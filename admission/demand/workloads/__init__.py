"""The pods that workloads make: roles, their templates and how many pods at once.

``kinds.toml`` says for each kind where templates and counts stand; ``particular`` holds what a table cannot say;
``shape`` finds templates in kinds that nobody listed; ``claims`` counts devices of dynamic resource allocation;
``answer`` puts the demand of one object together.
"""
