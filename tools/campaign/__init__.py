"""Bad inputs for every subcommand, and what has to become of them; ``tools/bad_inputs.py`` runs them."""
