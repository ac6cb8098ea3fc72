"""Who is behind a namespace: verification, ownership, jurisdictions.  Knows no quotas and no clock."""
