"""What a loss looks like around the parameters, and what the learning rate does there."""
