"""Roles: what a host must be, as resources, in the order of ORDER."""

ORDER = ("base", "memory", "kernel", "rocm", "vulkan", "tuning", "runtime", "model", "server")
ON_DEMAND = ("tools", "quantize")  # no part of a deploy: for the verbs that need them
PROVISIONING = {"memory", "kernel", "rocm", "vulkan", "tuning"}  # left out by `strix_provision: false`
