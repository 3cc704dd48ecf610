"""vCenter's VIM API over SOAP: its values, its methods, and a client that shares connections and sessions with REST."""

from gateway.vim.values import Data, Fault, ObjectContent, ObjectUpdate, Ref

__all__ = ["Data", "Fault", "ObjectContent", "ObjectUpdate", "Ref"]
