"""Why a rehearsal cannot be held: a reason for a person, never a traceback."""


class RehearsalError(RuntimeError):
    """No rehearsal here: no compiler, no headers, a ggml that the device does not know, a model in several files."""
