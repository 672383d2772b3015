"""A model's process: the runner, to which the build links the model's code (`neokernel/image/systemfile/models.py`)."""
