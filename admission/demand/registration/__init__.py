"""What the API server sends to the webhook, and what it refuses by itself: written from the tables of this part.

``python -m admission.demand.registration FILE`` writes the chart's ``files/registration.yaml``.  What is not sent must
have no demand and no way around asking: tests/chart/test_chart_soundness.py proves it with the API server's own CEL.
"""
