"""The manifests under `knative/base` on one machine: their Services in one process, their routes on one port.

manifests  what is read of them
routing    which Service answers a request
runtime    the application and its server
"""
