"""KYC providers: how each signs its deliveries, and what these say of a clearance (mappings are data)."""
