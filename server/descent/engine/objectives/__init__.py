"""The shape of a loss around the parameters, and the effect of the learning rate there."""
