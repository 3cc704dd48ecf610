"""The simulated vCenter, with continuously changing machines: `changing.py MACHINES CHANGES_A_SECOND`.

Prints its address. The note of a machine that changes is the time of the change, so that a watcher can compute its lag.
A line on standard input switches the changes on or off; the program responds with the number of filters for changes
that have been created so far. The end of its input ends the program.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import time

from gateway.simulator import Simulator, SimulatorOptions

_TICK = 0.01


async def _change(simulator: Simulator, rate: float, running: asyncio.Event) -> None:
    inventory = simulator.inventory
    machines = itertools.cycle(list(inventory.machines.values()))
    loop = asyncio.get_running_loop()
    while True:
        await running.wait()
        began, made = loop.time(), 0
        while running.is_set():
            await asyncio.sleep(_TICK)
            while made < (loop.time() - began) * rate:
                machine = next(machines)
                machine.annotation = f"t={time.monotonic_ns()}"
                inventory.changes.touched("VirtualMachine", machine.vm)
                made += 1


async def _main(machines: int, rate: float) -> None:
    running = asyncio.Event()
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with Simulator(SimulatorOptions(vms=machines)) as simulator:
        changing = asyncio.create_task(_change(simulator, rate, running))
        sys.stdout.write(f"{simulator.url.removeprefix('http://')}\n")
        sys.stdout.flush()
        while await reader.readline():
            (running.clear if running.is_set() else running.set)()
            made = len(simulator.record.of("vim.PropertyCollector.CreateFilter"))
            sys.stdout.write(f"{made}\n")
            sys.stdout.flush()
        changing.cancel()


asyncio.run(_main(int(sys.argv[1]), float(sys.argv[2])))
