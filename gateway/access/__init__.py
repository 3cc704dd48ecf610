"""Who may call: finds out who a caller is, decides by the policy, and keeps the audit log."""

from gateway.access.admission import Admission, passthrough, service_account
from gateway.access.audit import AuditLog, AuditRecord, audit_file
from gateway.access.callers import Callers
from gateway.access.policy import Policy, parse_policy

__all__ = [
    "Admission",
    "AuditLog",
    "AuditRecord",
    "Callers",
    "Policy",
    "audit_file",
    "parse_policy",
    "passthrough",
    "service_account",
]
