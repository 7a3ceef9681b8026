"""The offline gates: what can be known to be wrong with the templates, the state machine, the policies, the Python and the dependencies without any cloud.

Each gate is a function from a project (a folder) to findings. A finding is either mended or accepted, with its reason, in infra/guard/accepted.yaml;
an acceptance that no longer meets a finding is a finding itself.
"""
