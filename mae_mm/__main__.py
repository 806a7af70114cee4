"""``python -m mae_mm SUBCOMMAND``: the command ``mae-mm`` without its script."""
from .cli import main

main()
