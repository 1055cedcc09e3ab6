"""What a llama-server's memory is by our formulas, by its own log, and by other tools."""
