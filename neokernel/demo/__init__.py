"""The main job, shown by itself: the inference gateway is asked, killed piece by piece, and given another model.

    clients.py   programs of the host that ask what a digit is, over HTTP, and go on asking whatever happens
    machine.py   `nk run` in a process of its own, and when it is ready
    tour.py      what is done to the machine, in order, and what the clients saw of it

`nk demo` prints it (`neokernel/cli/demo.py`).
"""
