"""One host of the inventory as roles see it: inventory, facts, runtime, models, memory plans."""
