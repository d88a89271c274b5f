"""Bring an overlay onto the current cluster, one safe step after the other: `python -m knative.deploy`.

- `plan`: what an overlay renders to, with images by digest, sorted by when it is applied
- `cluster`: kubectl, kn and kustomize as programs
- `rollout`: new revisions beside the old ones, looked at before any traffic goes there
- `steps`: the order of all that
"""
