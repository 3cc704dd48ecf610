"""Who may call: finds out who a caller is, decides by the policy, and keeps the audit log."""

from gateway.access.audit import AuditLog
from gateway.access.callers import Caller, Callers
from gateway.access.policy import Policy, parse_policy

__all__ = ["AuditLog", "Caller", "Callers", "Policy", "parse_policy"]
