"""The methods of the VIM API, a module for each group of objects; importing this package registers them."""

from gateway.simulator.vim.methods import collectors, fields, machines, search, service, tasks, views

__all__ = ["collectors", "fields", "machines", "search", "service", "tasks", "views"]
