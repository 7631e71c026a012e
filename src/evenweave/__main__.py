"""`python -m evenweave` is the command line."""

from evenweave.cli import main

if __name__ == "__main__":
    main()
