"""The admin port: health, metrics and a status page over HTTP, for one process or for several workers together."""

from gateway.admin.process import ProcessAdmin
from gateway.admin.shared import WorkerReports

__all__ = ["ProcessAdmin", "WorkerReports"]
