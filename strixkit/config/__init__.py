"""YAML files of the controller (inventory, profiles, catalogue) as validated values."""
