"""Pure: what a llama-server binary can do, and how canonical options become its argv."""
