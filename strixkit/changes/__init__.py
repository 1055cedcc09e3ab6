"""docs/changes.md: what a deploy changes on a box and how to undo it, made from the resources themselves."""
