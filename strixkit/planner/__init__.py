"""Pure: facts + GGUF header + profile -> memory plan and the chosen options."""
