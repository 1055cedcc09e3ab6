"""Rehearsal: the unmodified llama-server on a device that computes nothing, to read its own log of its memory.

The device is native/rehearsal. `build`, `model`, `arguments` and `server` stand alone (standard library, Python 3.9),
since the agent on the box imports them too.
"""
