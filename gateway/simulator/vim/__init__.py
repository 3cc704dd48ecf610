"""The simulated vCenter's VIM API: SOAP at `/sdk`, over the inventory, the tasks and the sessions of the REST API.

It is written against VMware's documentation of the API and shares nothing with the gateway's client, so that a mistake
in one is visible in the other. pyVmomi and govc verify both.
"""
