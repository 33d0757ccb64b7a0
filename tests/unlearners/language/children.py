"""Forked processes for tests, alone or as the ranks of one launch. Knows no method."""

import os
import signal
import socket
import traceback

import torch
from accelerate.state import AcceleratorState


def in_children(work, environments):
    """Run the work in a forked process for each environment; return how each ended, as ``os.waitpid`` says."""
    children = []
    for environment in environments:
        child = os.fork()
        if child == 0:
            signal.alarm(120)  # a child that hangs ends, and fails the test
            torch.set_num_threads(1)
            os.environ.update(environment)
            AcceleratorState._reset_state(reset_partial_state=True)
            try:
                work()
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        children.append(child)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def two_ranks():
    """Return the environments that `accelerate launch` gives two processes on this machine's CPU."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    world = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "ACCELERATE_USE_CPU": "true"}
    world |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    return [{**world, "RANK": rank, "LOCAL_RANK": rank} for rank in "01"]
