"""The process around the decision: HTTPS, certificates, drain, health, metrics, the record.

The HTTP layer (``serving``, ``listener``, ``protocol``, ``tls``, ``app``) knows neither policy nor cluster; what
it asks is handed in as ``serving.Handlers``.
"""
