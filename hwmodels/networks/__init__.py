"""What a network is: its layer graph, and where graphs come from (files, the zoo, generators)."""
