"""The methods of the VIM API, a module for each group of objects; importing this package registers them."""

from gateway.simulator.vim.methods import (
    collectors,
    events,
    fields,
    files,
    folders,
    machines,
    performance,
    places,
    provisioning,
    search,
    service,
    snapshots,
    tasks,
    views,
)

__all__ = [
    "collectors",
    "events",
    "fields",
    "files",
    "folders",
    "machines",
    "performance",
    "places",
    "provisioning",
    "search",
    "service",
    "snapshots",
    "tasks",
    "views",
]
