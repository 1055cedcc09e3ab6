"""Pure: one small file per kind of thing on a host: question, diff, steps."""
