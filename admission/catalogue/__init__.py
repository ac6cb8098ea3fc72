"""Accelerators, the control entries their figures put them under, resource names, and dated country groups.

Pure data and arithmetic: nothing here knows Kubernetes objects, reads a clock or opens a connection.
"""
