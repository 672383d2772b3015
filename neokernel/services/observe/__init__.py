"""The control service without authority: an operator sees what runs, and changes nothing."""
