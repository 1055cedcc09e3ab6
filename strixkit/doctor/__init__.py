"""The doctor: what a box answered, held against the known failures of this hardware. Pure."""
