"""The control service: lets an operator ask and steer the running system from a host."""
