"""How weights are moved: optimizers, schedules of the learning rate, and a learning rate that is found."""
