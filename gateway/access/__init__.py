"""Access control: authenticates callers, applies the policy, and writes the audit log."""

from gateway.access.admission import Admission, passthrough, service_account
from gateway.access.audit import AuditEvent, AuditLog, AuditRecord
from gateway.access.audit_file import AuditFile
from gateway.access.audit_queue import AuditQueue
from gateway.access.callers import Callers
from gateway.access.policy import Policy, parse_policy

__all__ = [
    "Admission",
    "AuditEvent",
    "AuditFile",
    "AuditLog",
    "AuditQueue",
    "AuditRecord",
    "Callers",
    "Policy",
    "parse_policy",
    "passthrough",
    "service_account",
]
