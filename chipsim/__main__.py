"""`python -m chipsim`: the command line from a bare checkout."""

from chipsim.cli import main

if __name__ == "__main__":
    main()
