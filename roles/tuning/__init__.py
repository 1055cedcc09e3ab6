"""Role `tuning`: the machine's power profile."""
