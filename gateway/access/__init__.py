"""Who may call: finds out who a caller is, decides by the policy, and keeps the audit log."""

from gateway.access.admission import Admission, Caller, passthrough, service_account
from gateway.access.audit import Audit, AuditEvent, AuditRecord, audit_file
from gateway.access.audit_file import AuditFile
from gateway.access.callers import Callers
from gateway.access.identities import CallerIdentity, Kind
from gateway.access.policy import Policy, parse_policy

__all__ = [
    "Admission",
    "Audit",
    "AuditEvent",
    "AuditFile",
    "AuditRecord",
    "Caller",
    "CallerIdentity",
    "Callers",
    "Kind",
    "Policy",
    "audit_file",
    "parse_policy",
    "passthrough",
    "service_account",
]
