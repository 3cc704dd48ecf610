"""Makes `python -m gateway` the same as the command `vcenter-gateway`."""

from gateway.cli import main

if __name__ == "__main__":
    main()
