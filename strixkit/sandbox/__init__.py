"""Embedded boxes: systemd-nspawn machines that a deploy treats as real ones, and the model they serve."""
