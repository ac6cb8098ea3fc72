"""Who of a tenant's parties may stand on a list of restricted parties.  Knows no cluster and no clock."""
