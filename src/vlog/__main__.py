"""`python -m vlog`: the command line, also where another program has the name `vlog`."""

from vlog.cli import main

if __name__ == "__main__":
    main()
