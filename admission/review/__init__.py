"""The wire: what the API server sends, what it gets back, and every sentence a user reads.

Knows neither HTTP nor the cluster.  Everything else may import from here; this part imports nothing of ours.
"""
