"""Run the command line by `python -m modelwright`; it holds nothing of its own."""

from modelwright.cli.main import main

if __name__ == "__main__":
    main()
