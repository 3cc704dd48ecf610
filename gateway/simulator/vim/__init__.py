"""The simulated vCenter's VIM API: SOAP at `/sdk`, over the inventory, the tasks and the sessions of the REST API.

It is written against VMware's documents of the API and shares nothing with the gateway's client, so that a mistake in
one shows in the other; pyVmomi and govc are the judges of both.
"""
