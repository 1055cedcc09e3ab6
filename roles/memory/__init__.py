"""Role `memory`: how much of the machine's memory the GPU may use."""
