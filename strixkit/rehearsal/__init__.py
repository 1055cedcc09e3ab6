"""Rehearsal: the unmodified llama-server on a device that computes nothing, to read its own log of its memory.

The device is native/rehearsal. What a box needs of it stands alone (standard library, Python 3.9), since the agent's
zip has it too: `sources`, `build`, `model`, `arguments`, `server`, `child`, `errors`. For tests and benchmarks `local`
runs it here, and `headers` and `fullsize` make models of any size without weights.
"""
