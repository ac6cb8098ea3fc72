"""The API server as we use it: a client, reflectors that keep copies of its objects, a leader lease, events.

Knows Kubernetes and no policy.
"""
