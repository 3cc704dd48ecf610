"""Configures gRPC for servers in the tests' own process as the command line does, before any test imports `grpc`."""

from gateway.grpc_core import configure_grpc_core

configure_grpc_core()
