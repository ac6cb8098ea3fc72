"""What was found of the pods that run, as OpenReports (openreports.io) for whatever reads these."""
