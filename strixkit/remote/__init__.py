"""What reaches a box: the transport (the only room that imports fabric), and the agent that runs there."""
